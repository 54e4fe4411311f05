"use strict";
// Tokens per second over round trip and bandwidth, with the home's own links framed where they lie.
(function (home) {
  const MOST_NAMED = 4;

  home.drawMap = function (map) {
    document.getElementById("map-card").hidden = !map;
    if (!map) return;
    const e = home.element;
    const all = map.tokens_per_s.flat();
    const least = Math.min(...all), most = Math.max(...all);
    const own = new Map(map.here.map((h) => [`${h.row} ${h.column}`, h.pairs.map((p) => p.join(" – ")).join(", ")]));
    const cell = (rate, row, column) => {
      const pairs = own.get(`${row} ${column}`);
      const wins = map.alone_tokens_per_s !== null && rate > map.alone_tokens_per_s;
      const made = e("td", { class: `${pairs ? "here" : ""} ${wins ? "wins" : ""}`, title: pairs ?? "" }, home.figures(rate), wins ? " *" : "");
      const depth = most > least ? Math.log(rate / least) / Math.log(most / least) : 1;
      made.style.background = home.see(home.color("good"), Math.round(6 + 36 * depth));
      return made;
    };
    const pairs = map.here.reduce((sum, h) => sum + h.pairs.length, 0);
    const framed = pairs ? ` Framed: ${pairs > MOST_NAMED ? `the ${pairs} links of this home` : [...own.values()].join("; ")}.` : "";
    const alone = map.alone_tokens_per_s === null || most <= map.alone_tokens_per_s ? "" : ` * beats the ${home.figures(map.alone_tokens_per_s)} of one PC.`;
    home.fill("map-words", `Output tokens/s; deeper is faster.${alone}${framed}`);
    home.fill("map", e("table", { class: "map", "aria-describedby": "map-words" },
      e("thead", {}, e("tr", {}, e("th", {}, "round trip"), map.bandwidths_bytes_per_s.map((b) => e("th", { scope: "col", class: "number" }, home.linkRate(b))))),
      e("tbody", {}, map.tokens_per_s.map((rates, row) => e("tr", {}, e("th", { scope: "row" }, home.seconds(map.round_trips_s[row])), rates.map((rate, column) => cell(rate, row, column)))))));
  };
})(window.homecluster);
