"use strict";
// The chosen link over time: round trips as the agents see them, and what probes measured.
(function (home) {
  const WAYS = { agent: "round trip through the agents", probe: "round trip, probed" };

  home.drawHistory = function (history, link) {
    const series = (history || []).filter((h) => link && h.src === link.src && h.dst === link.dst);
    const points = series.flatMap((h) => h.points);
    document.getElementById("history").hidden = points.length < 2;
    if (points.length < 2) {
      return home.fill("history-table", link ? home.element("p", { class: "faint" }, "No history of this link yet: members note a round trip every five minutes, each probe adds the bandwidth.") : "");
    }
    const times = points.map((p) => p[0]);
    home.draw("history-chart", { type: "scatter", data: { datasets: sets(series) }, options: {
      scales: {
        x: home.timeAxis(Math.min(...times), Math.max(...times)),
        y: home.axis("ms", { axis: { beginAtZero: true } }),
        ...(points.some((p) => p[2] !== null) ? { rate: home.axis("Mbit/s", { grid: false, axis: { position: "right", beginAtZero: true } }) } : {}),
      },
      plugins: { ...home.legend(), tooltip: { callbacks: { label: (i) => (i.dataset.yAxisID === "rate" ? `${home.figures(i.parsed.y)} Mbit/s` : `${home.figures(i.parsed.y)} ms`) } } },
    } });
    table(series);
  };

  function sets(series) {
    const made = [];
    for (const one of series) {
      const trips = one.points.filter((p) => p[1] !== null).map((p) => ({ x: p[0], y: p[1] * 1e3 }));
      const rates = one.points.filter((p) => p[2] !== null).map((p) => ({ x: p[0], y: (p[2] * 8) / 1e6 }));
      const color = home.color(one.method === "probe" ? "host_s" : "accent");
      if (trips.length) made.push({ label: WAYS[one.method] ?? one.method, data: trips, showLine: true, borderColor: color, backgroundColor: color, borderWidth: 2, pointRadius: trips.length > 40 ? 0 : 2 });
      if (rates.length) made.push({ label: "bandwidth, probed", data: rates, yAxisID: "rate", showLine: true, stepped: "before", borderDash: [5, 3], borderColor: home.color("good"), backgroundColor: home.color("good"), borderWidth: 2, pointRadius: 3, pointStyle: "rect" });
    }
    return made;
  }

  function table(series) {
    const rows = series.flatMap((h) => h.points.map((p) => ({ at: p[0], method: h.method, rtt: p[1], rate: p[2] }))).sort((a, b) => b.at - a.at).slice(0, 4);
    home.fill("history-table", home.table("the newest", [{ text: "when" }, { text: "how" }, { text: "round trip", number: true }, { text: "bandwidth", number: true }],
      rows.map((r) => [new Date(r.at * 1e3).toLocaleString(), r.method, r.rtt === null ? "–" : home.seconds(r.rtt), r.rate === null ? "–" : home.linkRate(r.rate)])));
  }
})(window.homecluster);
