"use strict";
// Drag the round trip and the bandwidth; the real planner answers. Without a server (a report) the panel stays hidden.
(function (home) {
  let waiting = false;
  let again = false;
  const moved = new Set();
  let rest = 0;
  const RESTED_MS = 400;

  const form = () => document.getElementById("what-if");
  const concurrency = (f) => 2 ** Number(f.concurrency.value);
  const rttS = (f) => 10 ** Number(f.rtt.value) / 1e3;
  const bandwidth = (f) => (10 ** Number(f.bandwidth.value) * 1e6) / 8;

  home.offerWhatIf = function (page) {
    const f = form();
    document.getElementById("what-if-card").hidden = false;
    if (f.dataset.ready) { if (!moved.size) asItIs(page); return; }
    f.dataset.ready = "yes";
    f.model.replaceChildren(...page.models.map((m) => home.element("option", { value: m }, m)));
    f.addEventListener("input", (event) => { moved.add(event.target.name); words(); ask(); });
    f.addEventListener("submit", (event) => event.preventDefault());
    f.addEventListener("reset", (event) => { event.preventDefault(); moved.clear(); asItIs(home.page); home.fill("what-if-answer"); });
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

  // While something is dragged, the layouts that win somewhere; when it rests, every layout.
  async function ask(quick = true) {
    clearTimeout(rest);
    if (waiting) { again = true; return; }
    waiting = true;
    const f = form();
    const body = { model: f.model.value, concurrency: concurrency(f), quick };
    let isSearched = false;
    // What was not moved stays as each link has it.
    if (moved.has("rtt")) body.rtt_s = rttS(f);
    if (moved.has("bandwidth")) body.bandwidth_bytes_per_s = bandwidth(f);
    try {
      const reply = await fetch("api/what-if", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const answer = await reply.json();
      isSearched = !reply.ok || answer.is_searched;
      home.fill("what-if-answer", reply.ok ? tell(answer) : home.element("p", { class: "dead" }, answer.error));
    } catch {
      isSearched = true;
      home.fill("what-if-answer", home.element("p", { class: "dead" }, "The server does not answer."));
    }
    waiting = false;
    if (again) { again = false; ask(); } else if (!isSearched) rest = setTimeout(() => ask(false), RESTED_MS);
  }

  // Only the same model at the same load can be compared with the home as it is.
  function change(answer, best) {
    const now = home.page.plan.plans[0];
    const same = answer.model === home.page.plan.model.name && concurrency(form()) === home.page.plan.workload.concurrent_requests;
    if (!now || !same) return "";
    const before = now.estimate.output_tokens_per_s.mid;
    const gain = best.estimate.output_tokens_per_s.mid / before - 1;
    return [` now: ${home.figures(before)} `, home.element("span", { class: gain > 0.005 ? "pill good" : "pill" }, Math.abs(gain) < 0.005 ? "no change" : `${gain > 0 ? "+" : "−"}${home.figures(Math.round(Math.abs(gain) * 100))} %`)];
  }

  function tell(answer) {
    const e = home.element;
    const best = answer.best_plan;
    if (!best) return [e("p", { class: "big" }, "Nothing fits"), e("p", {}, answer.verdict.reason)];
    return [e("p", {}, e("span", { class: "big" }, `${home.figures(best.estimate.output_tokens_per_s.mid)} tokens/s`), change(answer, best)),
      e("p", {}, `${home.layoutWords(best)}. ${answer.verdict.kind}: ${answer.verdict.reason}`),
      e("p", { class: "faint" }, `${answer.is_searched ? "every layout searched" : "the best known layouts priced"} in ${home.seconds(answer.took_s)}`)];
  }
})(window.homecluster);
