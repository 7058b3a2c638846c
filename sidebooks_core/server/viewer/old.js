/* Watches whether the viewer starts, and asks for a plain page if it does not. Written for the oldest of browsers: no module, nothing
   newer than ECMAScript 5. The viewer says `sidebooksStarted = true` when it runs. */
(function () {
  "use strict";

  function look() {
    if (window.sidebooksStarted) return;
    var page = document.createElement("script");
    page.src = "viewer/old_page.js";
    document.body.appendChild(page);
  }

  // Modules run before the page counts as loaded, or have failed by then, for whatever reason.
  if (document.readyState === "complete") look();
  else window.addEventListener("load", look);
}());
