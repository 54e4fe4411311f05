"use strict";
// Draws the page from one document; a live page gets new ones over one stream, a report holds its own.
(function (home) {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  root.dataset.theme = stored() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* a file has no storage */ }
    if (home.page) draw(home.page);
  });

  let plansDrawn = "";
  function draw(page) {
    home.page = page;
    home.drawGraph(page.cluster);
    home.drawMatrix(page.cluster, page.history);
    const plans = `${root.dataset.theme}${JSON.stringify(page.plan)}`;
    if (plans !== plansDrawn) { home.drawPlans(page.plan); plansDrawn = plans; }
    home.drawJobs(page.jobs, page.live);
    home.drawDiagnosis(page.diagnosis);
    home.drawLog(page.log);
    drawMap(page.map);
    home.fill("made", `${page.live ? "Live" : "Report"} of ${page.made_at}. homecluster ${page.version}.`);
    if (page.live) home.offerWhatIf(page);
  }

  function drawMap(map) {
    document.getElementById("map-card").hidden = !map;
    if (!map) return;
    const e = home.element;
    const most = Math.max(...map.rows.flatMap((r) => r.tokens_per_s));
    home.fill("map", e("table", {}, e("caption", {}, "the best layout of this home, if every link were so; darker is faster; framed: nearest to the slowest link here"),
      e("thead", {}, e("tr", {}, e("th", {}, "round trip"), map.bandwidths_bytes_per_s.map((b) => e("th", { scope: "col", class: "number" }, home.linkRate(b))))),
      e("tbody", {}, map.rows.map((row) => e("tr", {}, e("th", { scope: "row" }, home.seconds(row.rtt_s)), row.tokens_per_s.map((rate, i) => {
        const cell = e("td", { class: row.here === i ? "here" : "" }, home.figures(rate));
        cell.style.background = `color-mix(in srgb, ${home.color("good")} ${Math.round((60 * rate) / most)}%, transparent)`;
        return cell;
      }))))));
  }

  function connection(words, state) {
    const pill = document.getElementById("connection");
    pill.hidden = false;
    pill.textContent = words;
    pill.className = `pill ${state}`;
  }

  function listen() {
    const stream = new EventSource("api/stream");
    stream.onmessage = (event) => { connection("live", "alive"); draw(JSON.parse(event.data)); };
    stream.onerror = () => {
      const gaveUp = stream.readyState === EventSource.CLOSED;
      connection(gaveUp ? "not let in any more: homecluster dashboard prints a new link" : "connection lost, trying again", "dead");
      if (gaveUp) setTimeout(listen, 5000);
    };
  }

  const data = JSON.parse(document.getElementById("page-data").textContent);
  if (data) draw(data); else listen();
})(window.homecluster);
