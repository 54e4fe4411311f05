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
    document.getElementById("trouble").hidden = !page.trouble;
    home.fill("trouble", page.trouble ? `The page could not be brought up to date: ${page.trouble}` : "");
    if (!page.cluster) return;
    home.drawGraph(page.cluster);
    home.drawMatrix(page.cluster, page.history);
    const plans = `${root.dataset.theme}${root.className}${JSON.stringify(page.plan)}`;
    if (plans !== plansDrawn) { home.drawPlans(page.plan); plansDrawn = plans; }
    home.drawJobs(page.jobs, page.hosts, page.live);
    home.drawDiagnosis(page.diagnosis);
    home.drawLog(page.log);
    home.drawMap(page.map);
    home.fill("made", `${page.live ? "Live" : "Report"} of ${page.made_at.slice(0, 16).replace("T", " ")} UTC. homecluster ${page.version}. Drawn by Cytoscape.js and Chart.js, both under the MIT licence.`);
    if (page.live) home.offerWhatIf(page);
  }

  // Paper is white and narrow, whatever the screen is.
  let onScreen = "";
  function paper(isPaper) {
    if (!home.page?.cluster) return;
    if (isPaper) onScreen = root.dataset.theme;
    root.dataset.theme = isPaper ? "light" : onScreen;
    root.classList.toggle("paper", isPaper);
    draw(home.page);
    home.graphOnPaper(isPaper);
    for (const chart of Object.values(Chart.instances)) chart.resize();
  }
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));

  function connection(words, state) {
    const pill = document.getElementById("connection");
    pill.hidden = false;
    pill.textContent = words;
    pill.className = `pill ${state}`;
  }

  // What was known stays, but must not look as if it were so now.
  function standsStill(words, why) {
    connection(words, "dead");
    const trouble = document.getElementById("trouble");
    const since = home.page ? ` What is shown is of ${new Date(home.page.made_at).toLocaleTimeString()}.` : "";
    if (trouble.textContent === why + since) return;
    trouble.hidden = false;
    trouble.textContent = why + since;
  }

  const lost = () => standsStill("connection lost, trying again", "The dashboard does not answer. Has it ended?");
  function listen() {
    const stream = new EventSource("api/stream");
    stream.onmessage = (event) => { connection("live", "alive"); draw(JSON.parse(event.data)); };
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED) { lost(); return; }
      withoutStream().catch(lost);
      setTimeout(listen, 5000);
    };
  }

  // The stream's refusal says no reason: who still gets the page is one of too many.
  async function withoutStream() {
    const reply = await fetch("api/page");
    if (reply.ok) {
      connection("too many pages are open, this one is renewed every 5 s: close another", "suspect");
      draw(await reply.json());
    } else standsStill("not let in any more", "Open the new link that homecluster dashboard prints; in the same browser, this page then goes on by itself.");
  }

  const data = JSON.parse(document.getElementById("page-data").textContent);
  if (data) draw(data); else listen();
})(window.homecluster);
