"use strict";
// Choose a cable, or drag the round trip and the bandwidth; the real planner answers, beside the figure of today.
// Without a server (a report) the panel stays hidden.
(function (home) {
  let waiting = false;
  let again = false;
  const moved = new Set();
  let chosen = null; // the button of a cable or a Wi-Fi
  let told = "";
  let rest = 0;
  const RESTED_MS = 400;

  const form = () => document.getElementById("what-if");
  const concurrency = (f) => 2 ** Number(f.concurrency.value);
  const rttS = (f) => 10 ** Number(f.rtt.value) / 1e3;
  const bandwidth = (f) => (10 ** Number(f.bandwidth.value) * 1e6) / 8;

  home.offerWhatIf = function (page) {
    const f = form();
    document.getElementById("what-if-card").hidden = false;
    if (f.dataset.ready) { if (!moved.size && !chosen) asItIs(page); return; }
    f.dataset.ready = "yes";
    f.model.replaceChildren(...page.models.map((m) => home.element("option", { value: m }, m)));
    f.addEventListener("input", (event) => { drag(event.target.name); words(); ask(); });
    f.addEventListener("click", (event) => { if (event.target.name === "link") { moved.delete("rtt"); moved.delete("bandwidth"); press(event.target); ask(); } });
    f.addEventListener("submit", (event) => event.preventDefault());
    f.addEventListener("reset", (event) => { event.preventDefault(); moved.clear(); press(null); told = ""; asItIs(home.page); });
    asItIs(page);
  };

  const buttons = () => form().querySelectorAll("[name=link]");

  function press(button) {
    chosen = button;
    for (const one of buttons()) one.setAttribute("aria-pressed", String(one === button));
  }

  // Who drags on from a cable starts from its figures.
  function drag(name) {
    if (chosen && (name === "rtt" || name === "bandwidth")) { press(null); moved.add("rtt").add("bandwidth"); }
    moved.add(name);
  }

  function asItIs(page) {
    const f = form();
    const now = JSON.stringify(page.plan);
    if (now !== told) home.fill("what-if-answer", present(page.plan));
    told = now;
    f.model.value = page.plan.model.name;
    f.concurrency.value = String(Math.round(Math.log2(page.plan.workload.concurrent_requests)));
    const link = home.dearest(page.cluster.links);
    for (const one of [f.rtt, f.bandwidth, ...buttons()]) one.disabled = page.cluster.nodes.length < 2 || (!link && one.name !== "link");
    if (link) slide(link);
    words();
  }

  function slide(link) {
    const f = form();
    f.rtt.value = String(Math.log10(link.rtt_s * 1e3));
    f.bandwidth.value = String(Math.log10((link.bandwidth_bytes_per_s * 8) / 1e6));
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
    if (chosen) body.link = chosen.value;
    if (moved.has("rtt")) body.rtt_s = rttS(f);
    if (moved.has("bandwidth")) body.bandwidth_bytes_per_s = bandwidth(f);
    try {
      const reply = await fetch("api/what-if", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const answer = await reply.json();
      isSearched = !reply.ok || answer.is_searched;
      if (reply.ok && answer.link && chosen?.value === body.link) { slide(answer.link); words(); }
      home.fill("what-if-answer", reply.ok ? tell(answer) : home.element("p", { class: "dead" }, answer.error));
    } catch {
      isSearched = true;
      home.fill("what-if-answer", home.element("p", { class: "dead" }, "The server does not answer."));
    }
    waiting = false;
    if (again) { again = false; ask(); } else if (!isSearched) rest = setTimeout(() => ask(false), RESTED_MS);
  }

  const tokens = (plan) => home.element("span", { class: "big" }, `${home.figures(plan.estimate.output_tokens_per_s.mid)} tokens/s`);

  function present(document_) {
    const best = document_.plans[0];
    const verdict = home.VERDICT[document_.verdict.kind];
    if (!best) return home.element("p", {}, home.element("span", { class: "big" }, verdict));
    return [home.element("p", {}, tokens(best), " as it is"), home.element("p", {}, `${verdict}: ${home.who(best)}.`)];
  }

  // Only the same model at the same load can be compared with the home as it is.
  function change(answer, best, now) {
    const isSame = answer.model === home.page.plan.model.name && concurrency(form()) === home.page.plan.workload.concurrent_requests;
    if (!isSame) return "";
    if (!now) return ", does not fit now";
    const before = now.estimate.output_tokens_per_s.mid;
    const ratio = best.estimate.output_tokens_per_s.mid / before;
    const words = Math.abs(ratio - 1) < 0.005 ? "no change" : home.asFast(ratio);
    return [`, now ${home.figures(before)} `, home.element("span", { class: ratio > 1.005 ? "pill good" : "pill" }, words)];
  }

  const isJoined = (plan) => plan.nodes.length > 1 && plan.replicas === 1;

  function tell(answer) {
    const e = home.element;
    const best = answer.best_plan;
    const joined = best && isJoined(best) ? null : answer.joined_plan;
    if (!best) return [e("p", { class: "big" }, home.VERDICT[answer.verdict.kind]), e("p", {}, home.prose(answer.verdict.reason))];
    const now = home.page.plan.plans;
    return [e("p", {}, tokens(best), chosen ? ` with ${chosen.textContent}` : "", change(answer, best, now[0])),
      e("p", {}, `${home.VERDICT[answer.verdict.kind]}: ${home.who(best)}.`),
      joined ? e("p", {}, `One copy over several PCs: ${home.figures(joined.estimate.output_tokens_per_s.mid)} tokens/s by ${home.shapeWords(joined)}`, change(answer, joined, now.find(isJoined))) : "",
      e("p", { class: "faint" }, `${answer.is_searched ? "every layout searched" : "the best known layouts priced"} in ${home.seconds(answer.took_s)}`)];
  }
})(window.homecluster);
