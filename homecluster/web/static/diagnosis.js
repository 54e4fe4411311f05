"use strict";
// What holds it back, the dearest cause first, each with its figures and what to type.
(function (home) {
  // Broken between words only, never at the dashes of a flag.
  const command = (argv) => home.element("code", {}, argv.map((word, i) => [i ? " " : "", home.element("span", { class: "word" }, word)]).flat());

  home.drawDiagnosis = function (diagnosis) {
    const e = home.element;
    if (!diagnosis) return home.fill("diagnosis", e("p", { class: "faint" }, "Not judged yet: ", e("code", {}, "homecluster diagnose")));
    const said = diagnosis.healthy ? "Healthy: nothing holds it back." : diagnosis.causes.length ? "" : "Nothing was measured, so nothing is known to be wrong or right.";
    const gaps = (diagnosis.gaps || []).map((gap) => e("li", {}, gap));
    home.fill("diagnosis", said ? e("p", {}, said) : "", diagnosis.causes.map((cause) => e("article", {}, e("h3", {}, home.prose(cause.summary)),
      e("ul", {}, cause.evidence.map((line) => e("li", {}, home.prose(line)))),
      e("p", { class: "remedy" }, home.prose(cause.remedy.text), cause.effect_tokens_per_s > 0 ? e("span", { class: "pill good" }, `+${home.figures(cause.effect_tokens_per_s)} tokens/s`) : ""),
      cause.remedy.argv.length ? command(cause.remedy.argv) : "")),
    gaps.length ? e("details", { class: "faint" }, e("summary", {}, "not measured"), e("ul", {}, gaps)) : "");
  };
})(window.homecluster);
