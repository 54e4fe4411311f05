"use strict";
// Plans beside one another: the time of one token as a stacked bar by term, and the same as a table.
(function (home) {
  const SHOWN = 6;
  let open = false;

  home.drawPlans = function (document_) {
    const plans = document_.plans.slice(0, SHOWN);
    const card = document.getElementById("plans-card");
    card.querySelector(".chart").hidden = plans.length === 0;
    home.fill("answer", home.element("strong", { class: "verdict" }, `${home.VERDICT[document_.verdict.kind]}:`), ` ${home.answer(document_)}.`);
    if (plans.length === 0) {
      home.fill("plans", home.element("p", {}, "Nothing fits. The refusals, each with its reason:"), refusals(document_));
      return;
    }
    bars(plans);
    home.fill("plans", home.table(`${document_.model.name}, fastest first`, [{ text: "layout" }, { text: "tokens/s", number: true }, { text: "per token", number: true }, { text: "first token", number: true }, { text: "start", number: true }],
      plans.map((p) => [home.layoutWords(p), home.interval(p.estimate.output_tokens_per_s, ""), home.seconds(p.estimate.token_interval_s.mid), home.seconds(p.estimate.first_token_s.mid), home.seconds(p.estimate.start_up_s.mid)])), parts(plans));
  };

  // What the bars show, for who cannot see them or tell their colours apart.
  function parts(plans) {
    const terms = home.TERMS.filter(([key]) => plans.some((p) => p.estimate.terms[key] > 0));
    return home.element("details", { open: open ? "" : null, ontoggle: (event) => { open = event.target.open; } }, home.element("summary", {}, "each part of the bars"),
      home.table("time per token", [{ text: "layout" }, ...terms.map(([, words]) => ({ text: words, number: true }))],
        plans.map((p) => [home.layoutWords(p), ...terms.map(([key]) => home.seconds(p.estimate.terms[key]))])));
  }

  function refusals(document_) {
    return home.element("ul", {}, document_.rejections.slice(0, SHOWN).map((r) => home.element("li", {}, `${r.nodes.join(" + ")}: ${r.detail}`)));
  }

  function bars(plans) {
    const longest = Math.max(...plans.map((p) => p.estimate.token_interval_s.mid));
    const [scale, unit] = longest >= 1 ? [1, "s"] : [1e3, "ms"];
    const datasets = home.TERMS.map(([key, words]) => ({
      label: words, data: plans.map((p) => p.estimate.terms[key] * scale), backgroundColor: home.color(key), borderColor: home.color("card"), borderWidth: { right: 1 }, stack: "token",
    })).filter((d) => d.data.some((v) => v > 0));
    // Two lines, the PCs on their own: cut off, two layouts of one shape would read the same.
    const most = document.getElementById("plans").clientWidth < 480 ? 20 : 30;
    const short = (text) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
    const labels = plans.map((p) => [short(home.shapeWords(p)), short(p.nodes.join(" + "))]);
    home.draw("plans-chart", { type: "bar", data: { labels, datasets }, options: {
      indexAxis: "y",
      scales: {
        x: home.axis(`time per token, ${unit}`, { axis: { stacked: true } }),
        y: home.axis("", { grid: false, axis: { stacked: true }, ticks: { color: home.color("ink"), maxTicksLimit: SHOWN, autoSkip: false } }),
      },
      plugins: home.legend(),
    } });
  }
})(window.homecluster);
