"use strict";
// A table that is wider than its box fades where it goes on, and can then be reached and moved by keyboard.
(function () {
  function look(box) {
    const isWide = box.scrollWidth > box.clientWidth + 1;
    const isTall = box.scrollHeight > box.clientHeight + 1;
    box.classList.toggle("cut", isWide && box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    box.classList.toggle("long", isTall && box.scrollTop + box.clientHeight < box.scrollHeight - 1);
    // A box with a button in it is reached by that.
    if ((isWide || isTall) && !box.querySelector("button")) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }

  for (const box of document.querySelectorAll(".scroll")) {
    box.addEventListener("scroll", () => look(box), { passive: true });
    const sizes = new ResizeObserver(() => look(box));
    sizes.observe(box);
    new MutationObserver(() => { for (const child of box.children) sizes.observe(child); look(box); }).observe(box, { childList: true });
  }
})();
