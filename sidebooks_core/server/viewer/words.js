/* All texts of the shelf, in two languages. */

const WORDS = {
  shelf: ["Shelf", "本棚"],
  documents: ["Documents", "文書"],
  empty: ["Nothing here yet", "まだ何もありません"],
  empty_clerk: ["Nothing here yet. Put papers in with “Add papers”, or drop files here.",
    "まだ何もありません。「文書を追加」を押すか、ここにファイルをドラッグしてください。"],
  pages: ["{n} pages", "{n}ページ"],
  one_page: ["1 page", "1ページ"],
  page: ["Page {n}", "{n}ページ"],
  other_language: ["日本語", "English"],
  night: ["Night", "夜間"],
  close: ["Close", "閉じる"],
  cancel: ["Cancel", "やめる"],
  save: ["Save", "保存"],
  more: ["More", "操作"],
  more_of: ["More: {name}", "操作：{name}"],

  log_in: ["Log in", "ログイン"],
  log_in_elsewhere: ["Log in with the town's account", "庁内アカウントでログイン"],
  log_out: ["Log out", "ログアウト"],
  name: ["Name", "名前"],
  password: ["Password", "パスワード"],
  password_again: ["Password, once more", "パスワード（もう一度）"],
  show_password: ["Show the password", "パスワードを表示する"],
  wrong: ["The name or the password is wrong.", "名前またはパスワードが違います。"],
  wait: ["Too many attempts. Please wait {n} seconds.", "試行回数が多すぎます。{n}秒お待ちください。"],
  joining: ["Papers for guests", "ゲスト用の文書"],
  your_name: ["What are you called?", "お名前を入力してください"],
  join: ["Open the papers", "文書を開く"],
  link_ended: ["This link is not valid any more. Please ask for a new one.", "このリンクは無効です。新しいリンクを発行してもらってください。"],
  already: ["You are logged in as {name}.", "{name}としてログインしています。"],
  go_on_as: ["Go on as {name}", "{name}のまま続ける"],
  join_anyway: ["Use the guests’ link instead", "ゲスト用リンクを使う"],
  set_up: ["The first administrator", "最初の管理者の登録"],
  set_up_text: ["Choose your name and a password. You add the others afterwards.",
    "管理者の名前とパスワードを決めてください。ほかの方は後から追加できます。"],
  set_up_do: ["Begin", "はじめる"],
  not_the_same: ["The two passwords are not the same.", "2つのパスワードが一致しません。"],
  password_rule: ["Please choose a longer password that is not a common one: at least {n} characters.",
    "{n}文字以上の、推測されにくいパスワードにしてください。"],

  me: ["My account", "アカウント"],
  guest: ["Guest", "ゲスト"],
  change_password: ["Change the password", "パスワードの変更"],
  old_password: ["Present password", "現在のパスワード"],
  new_password: ["New password", "新しいパスワード"],
  password_changed: ["The password was changed. Your other devices have to log in again.",
    "パスワードを変更しました。ほかの端末では再度ログインが必要です。"],
  my_logins: ["Devices that are logged in", "ログイン中の端末"],
  this_device: ["This device", "この端末"],
  since: ["Last used {time}", "最終利用 {time}"],
  end_login: ["End", "終了"],
  end_login_of: ["End the login of {name}", "{name}のログインを終了"],

  people: ["People", "利用者"],
  add_person: ["Add a person", "利用者の追加"],
  role: ["May do", "権限"],
  member: ["Member: reads", "議員・委員（閲覧）"],
  clerk: ["Clerk: keeps the papers", "事務局（文書の管理）"],
  admin: ["Administrator: everything", "管理者（すべて）"],
  first_password: ["First password (tell it to the person)", "初期パスワード（本人に伝えてください）"],
  add: ["Add", "追加"],
  added_person: ["{name} was added.", "{name}を追加しました。"],
  name_taken: ["There is somebody of that name already.", "その名前はすでに使われています。"],
  disabled: ["may not log in", "停止中"],
  disable: ["Disable", "停止"],
  enable: ["Enable", "再開"],
  set_password: ["New password", "パスワード再設定"],
  end_logins: ["End all logins", "全端末のログインを終了"],
  ended_logins: ["All logins of {name} have ended.", "{name}の全端末のログインを終了しました。"],
  audit: ["Record of everything (CSV)", "操作記録（CSV）"],

  add_papers: ["Add papers", "文書を追加"],
  make_folder: ["New folder", "新しいフォルダー"],
  folder_name: ["Name of the folder", "フォルダーの名前"],
  folder_more: ["This folder", "このフォルダー"],
  rename: ["Rename", "名前の変更"],
  move_up: ["Move up", "上へ移動"],
  move_down: ["Move down", "下へ移動"],
  remove_folder: ["Remove the folder", "フォルダーを削除"],
  remove_folder_sure: ["Remove the empty folder “{name}”?", "空のフォルダー「{name}」を削除しますか。"],
  not_empty: ["The folder is not empty.", "フォルダーが空ではありません。"],
  drop: ["Drop the files here", "ここにファイルをドロップ"],

  guests: ["Guests’ link", "ゲスト用リンク"],
  link_name: ["What is it for?", "リンクの用途"],
  link_until: ["Valid until", "有効期限"],
  make_link: ["Make a link", "リンクを作る"],
  link_made: ["Whoever has this link reads the folder until {time}. It is shown only now.",
    "このリンクを持つ人は{time}までこのフォルダーを閲覧できます。表示されるのは今回だけです。"],
  only_here: ["This address opens on this computer alone. Open the shelf by the address that others use, and make the link there.",
    "このアドレスはこのコンピューターでしか開けません。ほかの人が使うアドレスで本棚を開き、そこでリンクを作ってください。"],
  copy: ["Copy", "コピー"],
  copied: ["Copied", "コピーしました"],
  qr: ["The link as a code for cameras", "リンクのQRコード"],
  links_there: ["Links that are valid", "有効なリンク"],
  link_row: ["until {time}, used {n} times", "{time}まで、{n}回使用"],
  end_link: ["End", "無効にする"],
  end_link_of: ["End the link {name}", "リンク「{name}」を無効にする"],

  who_sees: ["Who may see it", "閲覧できる人"],
  as_above: ["Everybody who may see the folder above", "上のフォルダーと同じ"],
  clerks_only: ["Clerks only", "事務局のみ"],
  all_members: ["All members", "議員・委員全員"],
  everybody: ["Everybody, also without a login", "だれでも（ログイン不要）"],
  some_people: ["These people and groups", "選んだ人・グループ"],
  right_none: ["No right of their own", "個別の権限なし"],
  right_read: ["Reads", "閲覧"],
  right_tend: ["Reads and tends", "閲覧と文書の管理"],
  group_row: ["Group {name}", "グループ「{name}」"],
  another_group: ["Another group", "ほかのグループ"],
  with_limits: ["With limits, which stay as they are", "閲覧などの制限あり（変わりません）"],
  kept_people: ["People whose names you cannot see have rights here: {n}. They keep them.",
    "お名前を表示できない方{n}人に権限があります。その権限はそのまま残ります。"],
  replaces_chosen: ["This replaces the rights of people and groups that are set for this folder.",
    "このフォルダーに設定されている人・グループの権限は、これに置き換わります。"],

  replace: ["Replace by another file", "別のファイルに差し替え"],
  readers: ["Who has opened it", "開いた人"],
  no_readers: ["Nobody has opened it yet", "まだ誰も開いていません"],
  reader_row: ["{n} times, last {time}", "{n}回、最終 {time}"],
  revisions: ["Revisions", "版の一覧"],
  revision_row: ["Revision {n}, {time}", "第{n}版　{time}"],
  download: ["Download the file", "ファイルをダウンロード"],
  window: ["When it is shown", "公開期間"],
  from: ["From (empty: at once)", "開始（空欄：すぐに公開）"],
  until: ["Until (empty: for ever)", "終了（空欄：無期限）"],
  withdraw: ["Withdraw", "取り下げ"],
  withdraw_sure: ["Withdraw “{name}”? Nobody can read it from now on. You can put it back.",
    "「{name}」を取り下げますか。誰も閲覧できなくなります。後で元に戻せます。"],
  restore: ["Put back", "取り下げを取り消す"],
  restore_sure: ["Put “{name}” back? Its readers can read it again.", "「{name}」を元に戻しますか。再び閲覧できるようになります。"],
  purge: ["Remove for good", "完全に削除"],
  purge_sure: ["This removes “{name}” with all its revisions for good. To do so, type its name.",
    "「{name}」をすべての版とともに完全に削除します。よろしければ文書の名前を入力してください。"],
  purge_name: ["Name of the paper", "文書の名前"],

  locked: ["Locked: needs its password", "パスワードで保護されています"],
  damaged: ["Damaged: cannot be opened", "壊れているため開けません"],
  unsupported: ["This kind of file cannot be shown", "この形式のファイルは表示できません"],
  "too large": ["Too large to be shown", "大きすぎて表示できません"],
  withdrawn: ["Withdrawn", "取り下げ済み"],
  not_yet: ["Not published yet: from {time}", "公開前：{time}から"],
  over: ["Published until {time}", "公開終了：{time}"],
  preparing: ["Being prepared", "準備中"],
  give_password: ["Give its password", "パスワードを入力"],
  file_password: ["Password of the file", "ファイルのパスワード"],
  wrong_password: ["That password does not open the file.", "このパスワードでは開けません。"],
  unlock: ["Unlock", "解除"],

  uploads: ["Uploads", "アップロード"],
  waiting: ["Waiting", "待機中"],
  sending: ["{done} of {size}", "{done} / {size}"],
  cut: ["Connection lost; going on by itself", "接続が切れました。自動的に再開します"],
  finishing: ["Nearly done: the file is being read", "まもなく完了：ファイルを確認中"],
  done: ["On the shelf", "登録しました"],
  replaced_meanwhile: ["Somebody else has replaced this paper meanwhile, so yours was not taken. Look at the present revision first, then replace it again if it is needed.",
    "ほかの人が先にこの文書を差し替えたため、登録していません。現在の版を確認し、必要であればもう一度差し替えてください。"],
  done_replaced: ["Replaced", "差し替えました"],
  cancelled: ["Cancelled", "中止しました"],
  cancel_upload: ["Cancel: {name}", "中止：{name}"],
  clear: ["Clear the list", "一覧を消去"],
  again: ["Try again", "もう一度"],
  unfinished: ["“{name}” was not finished. Choose the file again, and it goes on where it was.",
    "「{name}」は途中です。同じファイルをもう一度選ぶと、続きから再開します。"],
  choose_again: ["Choose the file again", "ファイルを選び直す"],
  forget: ["Forget it", "破棄"],
  changed: ["{n} pages changed", "{n}ページ変更"],
  changed_one: ["1 page changed", "1ページ変更"],
  inserted: ["{n} inserted", "{n}ページ追加"],
  removed: ["{n} removed", "{n}ページ削除"],
  moved: ["{n} moved", "{n}ページ移動"],
  nothing_changed: ["no page changed", "変更されたページはありません"],

  search: ["Search", "検索"],
  search_all: ["Search in all papers", "全文書を検索"],
  searching: ["Searching…", "検索しています…"],
  found: ["Found on {pages}", "{pages}で見つかりました"],
  found_more: ["Found on {pages} so far, the newest papers first", "ここまでに{pages}で見つかりました（新しい順）"],
  nothing: ["Nothing found for “{q}”", "「{q}」は見つかりません"],
  unindexed: ["{n} papers are still being read: more may be found soon.", "{n}件の文書は読み込み中です。しばらくすると、さらに見つかることがあります。"],
  unindexed_one: ["1 paper is still being read: more may be found soon.", "1件の文書は読み込み中です。しばらくすると、さらに見つかることがあります。"],
  more_hits: ["Search further", "さらに検索"],
  results: ["Search: {q}", "検索：{q}"],

  e_lost: ["The server cannot be reached. Please try again.", "サーバーに接続できません。もう一度お試しください。"],
  e401: ["Please log in again.", "もう一度ログインしてください。"],
  e403: ["You may not do that.", "この操作はできません。"],
  e404: ["It is not here, or not any more.", "見つからないか、すでに削除されています。"],
  e409: ["Somebody else has changed it meanwhile.", "ほかの人が変更しました。"],
  e413: ["The file is too large.", "ファイルが大きすぎます。"],
  e503: ["The server is busy. Please try again soon.", "サーバーが混み合っています。しばらくしてからお試しください。"],
  e507: ["The disk of the server is full.", "サーバーの空き容量がありません。"],
};

const LEAST_PASSWORD = 10; // as the server's rule

const COLUMN = { en: 0, ja: 1 };
let column = 0;

/** Use a language from now on. */
export function speakIn(language) { column = COLUMN[language] ?? 0; }

/** A text, with `{name}`s filled in. */
export function t(key, values = {}) {
  return WORDS[key][column].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const hasText = (key) => key in WORDS;

const locale = () => ["en-GB", "ja-JP"][column];

/** A time in seconds since 1970, as people of here write it. */
export function time(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** A number of bytes. */
export function bytes(count) {
  const isLarge = count >= 1e6;
  const number = new Intl.NumberFormat(locale(), { maximumFractionDigits: isLarge ? 1 : 0 }).format(count / (isLarge ? 1e6 : 1e3));
  return `${number} ${isLarge ? "MB" : "kB"}`;
}

export const pages = (n) => (n === 1 ? t("one_page") : t("pages", { n }));

/** What went wrong, in words of the reader's language if there are any. */
export function fault(error) {
  if (error.status === undefined) return error instanceof TypeError ? t("e_lost") : error.message;
  const known = error.status >= 502 && error.status <= 504 ? "e503" : `e${error.status}`;
  return hasText(known) ? t(known) : error.message;
}

/** What is wrong with a new password: the server refuses with 400. */
export const passwordFault = (error) => (error.status === 400 ? t("password_rule", { n: LEAST_PASSWORD }) : fault(error));

/** What the pages of a difference say: "3 pages changed, 1 inserted". */
export function summary(fates) {
  const count = (kind) => fates.filter((one) => one.kind === kind).length;
  const parts = [];
  const changed = count("changed");
  if (changed) parts.push(changed === 1 ? t("changed_one") : t("changed", { n: changed }));
  for (const kind of ["inserted", "removed", "moved"]) if (count(kind)) parts.push(t(kind, { n: count(kind) }));
  return parts.length ? parts.join(column === 1 ? "、" : ", ") : t("nothing_changed");
}
