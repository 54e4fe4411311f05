"use strict";
// The page's first sentence: what is best for this model, by how much, and whether another link would change it.
(function (home) {
  const rate = (plan) => plan.estimate.output_tokens_per_s.mid;
  const fastest = (plans) => plans.reduce((best, plan) => (!best || rate(plan) > rate(best) ? plan : best), null);

  home.asFast = function (ratio) {
    if (Math.abs(ratio - 1) < 0.005) return "as fast";
    return `${Number(ratio.toPrecision(2))} times as fast`;
  };

  home.answer = function (document_) {
    const { verdict, plans } = document_;
    const alone = fastest(plans.filter((plan) => plan.nodes.length === 1));
    const together = fastest(plans.filter((plan) => plan.nodes.length > 1));
    const gives = (plan, words) => `${words} gives ${home.figures(rate(plan))} tokens/s`;
    if (verdict.kind === "single-node" && alone) return gives(alone, home.who(alone)) + several(verdict, together) + otherLink(verdict.break_even);
    if (verdict.gain && together) return `${gives(together, home.layoutWords(together))}, ${home.asFast(verdict.gain)} as the best PC alone`;
    if (verdict.kind === "multi-node-required" && together) return `${gives(together, home.layoutWords(together))}; no single PC holds ${document_.model.name}`;
    return home.prose(verdict.reason);
  };

  home.who = (plan) => (home.shapeWords(plan) === "one device" ? `${plan.nodes[0]} alone` : home.layoutWords(plan));

  function several(verdict, together) {
    if (!verdict.gain) return "";
    return `, several PCs at best are ${home.asFast(verdict.gain)}${together ? `: ${home.layoutWords(together)}` : ""}`;
  }

  // From which link on one copy over two PCs would be as fast.
  function otherLink(even) {
    if (even.state === "never") return ". No link would make one copy over two PCs faster";
    const ways = [
      even.rtt_s === null ? "" : `a round trip of ${home.seconds(even.rtt_s)} or less`,
      even.bandwidth_bytes_per_s === null ? "" : `${home.linkRate(even.bandwidth_bytes_per_s)} or more`,
    ].filter(Boolean);
    return ways.length ? `. One copy over two PCs would be faster with ${ways.join(" or with ")}` : "";
  }
})(window.homecluster);
