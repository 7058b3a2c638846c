/* A plain page where the viewer cannot start: the browser is too old, or its files did not come. Written for the oldest of
   browsers: no module, nothing newer than ECMAScript 5. old.js asks for it. */
(function () {
  "use strict";

  var WORDS = {
    ja: {
      old_title: "このブラウザーでは表示できません",
      old_text: "このブラウザーは古いため、書類を表示できません。iPad・iPhone は iOS（iPadOS）15 以降、Android とパソコンは新しい版の Chrome、Edge、Firefox、"
        + "Safari でお使いいただけます。本体の更新（設定 → 一般 → ソフトウェアアップデート）をお願いします。分からないときは、事務局にお問い合わせください。",
      broken_title: "画面を表示できませんでした",
      broken_text: "「もう一度」を押してください。同じ画面になるときは、ブラウザーが古いか、通信が途切れています。iPad・iPhone は iOS（iPadOS）15 以降、"
        + "Android とパソコンは新しい版の Chrome、Edge、Firefox、Safari でお使いいただけます。分からないときは、事務局にお問い合わせください。",
      again: "もう一度",
      original: "元のファイルを開く"
    },
    en: {
      old_title: "This browser cannot show the papers",
      old_text: "This browser is too old for the viewer. An iPad or iPhone needs iOS or iPadOS 15 or later; Android and computers need a recent "
        + "Chrome, Edge, Firefox or Safari. Please update the device, or ask the office for help.",
      broken_title: "The viewer did not start",
      broken_text: "Please press “Try again”. If this page comes back, the browser is too old, or the connection was lost. An iPad or iPhone needs "
        + "iOS or iPadOS 15 or later; Android and computers need a recent Chrome, Edge, Firefox or Safari.",
      again: "Try again",
      original: "Open the original file"
    }
  };
  var STYLE = "#old{position:fixed;top:0;right:0;bottom:0;left:0;overflow:auto;z-index:9;background:#f2f0ec;color:#1c1c1c;"
    + "font:18px/1.7 sans-serif;padding:24px 16px}#old div{max-width:36em;margin:0 auto 32px}#old h1{font-size:24px;line-height:1.4;margin:0 0 8px;"
    + "white-space:normal}#old a,#old button{display:inline-block;min-height:48px;line-height:46px;padding:0 20px;margin:0 8px 8px 0;font:inherit;"
    + "line-height:46px;color:#fff;background:#0b5d43;border:1px solid #0b5d43;border-radius:6px;text-decoration:none}"
    + "#old a{color:#0b5d43;background:#fff}[data-night] #old{background:#161616;color:#e6e3dc}";

  function element(tag, text) {
    var made = document.createElement(tag);
    made.appendChild(document.createTextNode(text));
    return made;
  }

  /* As old as the first browsers without what the viewer is written in: syntax cannot be tried, the policy forbids `eval`. */
  function isOld() {
    return !("noModule" in document.createElement("script")) || typeof BigInt64Array === "undefined" || !Promise.any
      || typeof createImageBitmap === "undefined";
  }

  function kept(key) {
    try { return window.localStorage.getItem(key); } catch (error) { return null; }
  }

  function original() {
    var found = /^#(paper=)?([A-Za-z0-9._-]+)(\/\d+)?(&|$)/.exec(location.hash);
    return found ? location.pathname.replace(/\/$/, "") + (found[1] ? "/papers/" : "/documents/") + found[2] + "/original" : "";
  }

  function part(language, why) {
    var words = WORDS[language];
    var made = document.createElement("div");
    made.lang = language;
    made.appendChild(element("h1", words[why + "_title"]));
    made.appendChild(element("p", words[why + "_text"]));
    if (why === "broken") {
      var again = element("button", words.again);
      again.type = "button";
      again.onclick = function () { location.reload(); };
      made.appendChild(again);
    }
    if (original()) {
      var link = element("a", words.original);
      link.href = original();
      made.appendChild(link);
    }
    return made;
  }

  function show() {
    if (window.sidebooksStarted || document.getElementById("old")) return;
    var why = isOld() ? "old" : "broken";
    var isJapanese = /^ja/.test(kept("sidebooks language") || navigator.language || "");
    var made = document.createElement("div");
    made.id = "old";
    made.setAttribute("role", "main");
    made.appendChild(element("style", STYLE));
    made.appendChild(part(isJapanese ? "ja" : "en", why));
    made.appendChild(part(isJapanese ? "en" : "ja", why));
    var others = document.getElementsByTagName("main");
    for (var at = 0; at < others.length; at += 1) others[at].style.display = "none";
    document.body.appendChild(made);
    document.title = WORDS[isJapanese ? "ja" : "en"][why + "_title"];
  }

  show();
}());
