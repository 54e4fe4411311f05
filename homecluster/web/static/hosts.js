"use strict";
// What each PC does for the running job: cores, memory and GPUs as bars with their figures.
(function (home) {
  home.drawHosts = function (hosts) {
    const e = home.element;
    home.fill("hosts", (hosts || []).map((host) => e("div", { class: "host" }, e("h3", {}, host.node), bars(host))));
  };

  function bars(host) {
    const rows = [];
    const job = host.job_cores ?? 0, other = host.other_cores ?? 0;
    if (host.cores && host.other_cores !== null) {
      rows.push(bar("CPU", [[job, "accent"], [other, "idle_s"]], host.cores, `${home.figures(job + other)} of ${host.cores} cores busy, ${home.figures(job)} by the job`));
    }
    if (host.memory_total_bytes) rows.push(bar("memory", [[host.memory_used_bytes, "memory_s"]], host.memory_total_bytes, `${home.bytes(host.memory_used_bytes)} of ${home.bytes(host.memory_total_bytes)}`));
    for (const gpu of host.gpus) {
      if (gpu.busy_ratio !== null) rows.push(bar(gpu.name, [[gpu.busy_ratio, "accent"]], 1, `${home.figures(gpu.busy_ratio * 100)} % busy`));
      if (gpu.memory_used_bytes !== null && gpu.memory_total_bytes) rows.push(bar(`${gpu.name} memory`, [[gpu.memory_used_bytes, "memory_s"]], gpu.memory_total_bytes, `${home.bytes(gpu.memory_used_bytes)} of ${home.bytes(gpu.memory_total_bytes)}`));
    }
    return rows.length ? rows : [home.element("p", { class: "faint" }, "tells nothing")];
  }

  function bar(name, parts, whole, words) {
    const e = home.element;
    const filled = parts.map(([value, color]) => {
      const piece = e("i", { class: "filled" });
      piece.style.width = `${Math.min(100, (100 * value) / whole)}%`;
      piece.style.background = home.color(color);
      return piece;
    });
    return e("div", { class: "bar" }, e("span", {}, name), e("span", { class: "track", "aria-hidden": "true" }, filled), e("span", { class: "figure" }, words));
  }
})(window.homecluster);
