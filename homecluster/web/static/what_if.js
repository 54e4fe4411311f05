"use strict";
// Drag the round trip and the bandwidth; the real planner answers. Without a server (a report) the panel stays hidden.
(function (home) {
  let waiting = false;
  let again = false;
  let touched = false;

  const form = () => document.getElementById("what-if");
  const concurrency = (f) => 2 ** Number(f.concurrency.value);
  const rttS = (f) => 10 ** Number(f.rtt.value) / 1e3;
  const bandwidth = (f) => (10 ** Number(f.bandwidth.value) * 1e6) / 8;

  home.offerWhatIf = function (page) {
    const f = form();
    document.getElementById("what-if-card").hidden = false;
    if (f.dataset.ready) { if (!touched) asItIs(page); return; }
    f.dataset.ready = "yes";
    f.model.replaceChildren(...page.models.map((m) => home.element("option", { value: m }, m)));
    f.addEventListener("input", () => { touched = true; words(); ask(); });
    f.addEventListener("submit", (event) => event.preventDefault());
    f.addEventListener("reset", (event) => { event.preventDefault(); touched = false; asItIs(home.page); home.fill("what-if-answer"); });
    asItIs(page);
  };

  function asItIs(page) {
    const f = form();
    f.model.value = page.plan.model.name;
    f.concurrency.value = String(Math.round(Math.log2(page.plan.workload.concurrent_requests)));
    const link = page.cluster.links[0];
    for (const name of ["rtt", "bandwidth"]) f[name].disabled = !link;
    if (link) {
      f.rtt.value = String(Math.log10(link.rtt_s * 1e3));
      f.bandwidth.value = String(Math.log10((link.bandwidth_bytes_per_s * 8) / 1e6));
    }
    words();
  }

  function words() {
    const f = form();
    const say = (name, text) => { f[name].parentElement.querySelector("output").value = text; f[name].setAttribute("aria-valuetext", text); };
    say("concurrency", String(concurrency(f)));
    say("rtt", home.seconds(rttS(f)));
    say("bandwidth", home.linkRate(bandwidth(f)));
  }

  async function ask() {
    if (waiting) { again = true; return; }
    waiting = true;
    const f = form();
    const body = { model: f.model.value, concurrency: concurrency(f) };
    if (!f.rtt.disabled) Object.assign(body, { rtt_s: rttS(f), bandwidth_bytes_per_s: bandwidth(f) });
    try {
      const reply = await fetch("api/what-if", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const answer = await reply.json();
      home.fill("what-if-answer", reply.ok ? tell(answer) : home.element("p", { class: "dead" }, answer.error));
    } catch {
      home.fill("what-if-answer", home.element("p", { class: "dead" }, "The server does not answer."));
    }
    waiting = false;
    if (again) { again = false; ask(); }
  }

  function tell(answer) {
    const e = home.element;
    const best = answer.best_plan;
    if (!best) return [e("p", { class: "big" }, "Nothing fits"), e("p", {}, answer.verdict.reason)];
    return [e("p", { class: "big" }, `${home.figures(best.estimate.output_tokens_per_s.mid)} tokens/s`),
      e("p", {}, `${home.layoutWords(best)}. ${answer.verdict.kind}: ${answer.verdict.reason}`),
      e("p", { class: "faint" }, `planned in ${home.seconds(answer.took_s)}`)];
  }
})(window.homecluster);
