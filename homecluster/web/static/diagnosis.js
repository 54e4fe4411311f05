"use strict";
// What holds it back, the dearest cause first, each with its figures and what to type.
(function (home) {
  home.drawDiagnosis = function (diagnosis) {
    const e = home.element;
    if (!diagnosis) return home.fill("diagnosis", e("p", { class: "faint" }, "Not judged yet: ", e("code", {}, "homecluster diagnose")));
    if (diagnosis.healthy) return home.fill("diagnosis", e("p", {}, "Healthy: nothing holds it back."));
    home.fill("diagnosis", diagnosis.causes.map((cause) => e("article", {}, e("h3", {}, cause.summary),
      e("ul", {}, cause.evidence.map((line) => e("li", {}, line))),
      e("p", { class: "remedy" }, cause.remedy.text, cause.effect_tokens_per_s > 0 ? e("span", { class: "pill good" }, `+${home.figures(cause.effect_tokens_per_s)} tokens/s`) : ""),
      cause.remedy.argv.length ? e("code", {}, cause.remedy.argv.join(" ")) : "")));
  };
})(window.homecluster);
