"use strict";
// The running job, with the predicted band beside the measured speed; the diagnosis; the log.
(function (home) {
  const KEPT = 300;
  const seen = [];
  let chart = null;
  let jobShown = null;

  home.drawJobs = function (jobs, live) {
    const e = home.element;
    document.getElementById("job-card").hidden = !live && jobs.length === 0;
    const job = jobs.find((j) => j.state === "running") ?? jobs[jobs.length - 1];
    document.getElementById("speed").hidden = !job || job.state !== "running";
    if (!job) return home.fill("job", e("p", { class: "faint" }, "Nothing runs. Start a model: ", e("code", {}, "homecluster up --model gpt2")));
    const rows = [["job", job.id], ["model", job.model], ["state", job.phase ? `${job.state}: ${job.phase}` : job.state]];
    if (job.reason) rows.push(["why", job.reason]);
    if (job.base_url) rows.push(["address", job.base_url]);
    const now = job.live;
    if (now) {
      rows.push(["tokens/s now", home.figures(now.output_tokens_per_s)]);
      if (now.first_token_s !== null) rows.push(["first token", home.seconds(now.first_token_s)]);
      if (now.kv_cache_ratio !== null) rows.push(["KV cache used", `${home.figures(now.kv_cache_ratio * 100)} %`]);
      rows.push(["requests", `${now.running} running, ${now.waiting} waiting`]);
      for (const host of now.hosts || []) rows.push([`load of ${host.node}`, `${home.figures(host.cpu_ratio * 100)} % CPU, ${home.bytes(host.memory_bytes)}`]);
    }
    if (job.predicted) rows.push(["predicted", home.interval(job.predicted, "tokens/s")]);
    home.fill("job", e("table", {}, e("tbody", {}, rows.map(([k, v]) => e("tr", {}, e("th", { scope: "row" }, k), e("td", { "data-figure": k }, v))))));
    if (now) speed(job);
  };

  function speed(job) {
    if (jobShown !== job.id) { seen.length = 0; jobShown = job.id; }
    seen.push({ at: job.live.at, rate: job.live.output_tokens_per_s });
    if (seen.length > KEPT) seen.shift();
    const band = job.predicted;
    const flat = (value) => seen.map(() => value);
    const datasets = [{ label: "measured", data: seen.map((s) => s.rate), borderColor: home.color("accent"), pointRadius: 0, borderWidth: 2 }];
    if (band) {
      datasets.push({ label: "predicted, low", data: flat(band.low), borderColor: home.color("faint"), borderDash: [4, 4], pointRadius: 0, borderWidth: 1 });
      datasets.push({ label: "predicted, high", data: flat(band.high), borderColor: home.color("faint"), borderDash: [4, 4], pointRadius: 0, borderWidth: 1, fill: "-1", backgroundColor: "rgba(128,128,128,.15)" });
    }
    const labels = seen.map((s) => s.at.slice(11, 19));
    if (chart) { chart.data = { labels, datasets }; chart.update("none"); return; }
    chart = new Chart(document.getElementById("speed-chart"), {
      type: "line", data: { labels, datasets },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false,
        scales: { y: { beginAtZero: true, title: { display: true, text: "tokens/s", color: home.color("faint") }, ticks: { color: home.color("faint") }, grid: { color: home.color("line") } }, x: { ticks: { color: home.color("faint"), maxTicksLimit: 6 }, grid: { display: false } } },
        plugins: { legend: { position: "bottom", labels: { color: home.color("ink"), boxWidth: 12 } } },
      },
    });
  }

  home.drawDiagnosis = function (diagnosis) {
    const e = home.element;
    if (!diagnosis) return home.fill("diagnosis", e("p", { class: "faint" }, "Not judged yet: ", e("code", {}, "homecluster diagnose")));
    if (diagnosis.healthy) return home.fill("diagnosis", e("p", {}, "Healthy: nothing holds it back."));
    home.fill("diagnosis", diagnosis.causes.map((cause) => e("article", {}, e("h3", {}, cause.summary),
      e("ul", {}, cause.evidence.map((line) => e("li", {}, line))),
      e("p", {}, cause.remedy.text, cause.effect_tokens_per_s > 0 ? ` (+${home.figures(cause.effect_tokens_per_s)} tokens/s)` : ""),
      cause.remedy.argv.length ? e("code", {}, cause.remedy.argv.join(" ")) : "")));
  };

  home.drawLog = function (lines) {
    document.getElementById("log-card").hidden = !lines || lines.length === 0;
    const log = document.getElementById("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.textContent = (lines || []).join("\n");
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
})(window.homecluster);
