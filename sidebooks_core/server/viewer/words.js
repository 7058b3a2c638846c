/* What the viewer says, in the languages it speaks. */

export const WORDS = {
  en: {
    shelf: "Back to the shelf", search: "Search", outline: "Contents", spread: "Two pages", night: "Night", page: "Page",
    previous: "Back", next: "On", position: "Position", pages: "Pages", side: "Contents and hits", none: "Nothing found",
    empty: "No documents yet", of: "of", added: "New:", open: "Open", withdrawn: "This document was withdrawn", text: "Text of the page",
    lost: "No connection to the server; trying again", documents: "Documents",
  },
  ja: {
    shelf: "本棚へ戻る", search: "検索", outline: "目次", spread: "見開き", night: "夜間", page: "ページ",
    previous: "前へ", next: "次へ", position: "位置", pages: "ページ一覧", side: "目次と検索結果", none: "見つかりません",
    empty: "文書がありません", of: "/", added: "新着：", open: "開く", withdrawn: "この文書は取り下げられました", text: "ページの本文",
    lost: "サーバーに接続できません。再接続しています", documents: "文書",
  },
};
