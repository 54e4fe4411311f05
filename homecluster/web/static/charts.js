"use strict";
// What all charts share: one chart per canvas, drawn again in place, in the page's own colours.
(function (home) {
  const drawn = new Map();

  home.draw = function (id, config) {
    const known = drawn.get(id);
    config.options = { animation: false, responsive: true, maintainAspectRatio: false, ...config.options };
    if (!known) { drawn.set(id, new Chart(document.getElementById(id), config)); return; }
    known.data = config.data;
    known.options = config.options;
    known.update("none");
  };

  home.axis = function (title, more) {
    const faint = home.color("faint");
    return {
      title: { display: Boolean(title), text: title, color: faint }, ticks: { color: faint, maxTicksLimit: 6, ...more?.ticks },
      grid: { color: home.color("line"), display: more?.grid ?? true }, border: { display: false }, ...more?.axis,
    };
  };

  // Times of day for what is shorter than a day, else days.
  home.timeAxis = function (from, to) {
    const days = to - from > 86400;
    const show = (s) => new Date(s * 1e3).toLocaleString([], days ? { month: "short", day: "numeric", hour: "2-digit" } : { hour: "2-digit", minute: "2-digit", second: to - from < 600 ? "2-digit" : undefined });
    return home.axis("", { grid: false, ticks: { callback: show, maxRotation: 0, autoSkipPadding: 20 }, axis: { type: "linear", min: from, max: to } });
  };

  home.legend = function (shown) {
    return { legend: { display: shown ?? true, position: "bottom", labels: { color: home.color("ink"), boxWidth: 12, boxHeight: 12, filter: (item) => !item.text.startsWith("_") } } };
  };

  home.see = function (color, part) {
    return `color-mix(in srgb, ${color} ${part} %, transparent)`.replace(" %", "%");
  };
})(window.homecluster);
