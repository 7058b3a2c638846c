/* The texts about what changed between two revisions in Japanese. */

export const words = {
  what_changed: "変更点",
  map_old: "前の版：{n}ページ",
  map_new: "新しい版：{n}ページ",
  fate_changed: "{new}ページの内容が変わりました",
  fate_changed_from: "{new}ページ（前は{old}ページ）の内容が変わりました",
  fate_inserted: "{new}ページが追加されました",
  fate_removed: "前の{old}ページが削除されました",
  fate_moved: "前の{old}ページが{new}ページに移動しました",
  fate_same: "{from}〜{to}ページ：変更なし",
  fate_same_one: "{from}ページ：変更なし",
  fate_same_as: "{from}〜{to}ページ：変更なし（前の{old}〜{end}ページ）",
  fate_same_one_as: "{from}ページ：変更なし（前の{old}ページ）",
  no_map: "どちらかの版を開けないため、比べられません。",
};
