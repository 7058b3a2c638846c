"""First-time tasks of a member, each by what the screen says. test_viewer_tasks.py does them."""

from __future__ import annotations

from house import PASSWORD
from task_house import ACCOUNTS, ARCHIVED, BUDGET, LOCKED, PETITION, RESERVES, ROMAN, SESSION, TABLE, Room, task


@task("iPad", "議員", "初めてログインする", "Log in for the first time", "名前、パスワードを入力 → ログイン")
def log_in(room: Room) -> None:
    hand = room.start(who=None, has_read=False)
    hand.write("名前", "議員")
    hand.write("パスワード", PASSWORD)
    hand.press("ログイン")
    hand.sees_link(SESSION)


@task(
    "iPad",
    "議員",
    "本棚から今日の会議の予算書を開く",
    "Open the budget of today’s meeting",
    "令和8年3月定例会 → 令和8年度予算書 → わかりました",
)
def open_the_budget(room: Room) -> None:
    hand = room.start(has_read=False)
    hand.open(SESSION)
    hand.open(BUDGET)
    hand.sees_page(1)
    hand.sees("読み方")
    hand.press("わかりました")
    hand.sees_no("読み方")
    hand.sees(f"i (1 / {60})")


@task("iPad", "議員", "画面の端に触れて、次のページへ、そして前のページへ", "Turn by touching the edges", "画面の右端 → 左端")
def turn_at_the_edge(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.tap_at(0.96)
    hand.sees_page(5)
    hand.tap_at(0.04)
    hand.sees_page(4)


@task("phone", "議員", "指で払ってページをめくる", "Turn by a swipe", "左へ払う → 右へ払う")
def turn_by_a_swipe(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.swipe("left")
    hand.sees_page(5)
    hand.swipe("left")
    hand.sees_page(6)
    hand.swipe("right")
    hand.sees_page(5)


@task(
    "iPad",
    "議員",
    "細かい表を大きくして読み、元に戻す",
    "Enlarge the table, and see the whole page again",
    "表を二度続けて触れる → もう一度",
)
def enlarge_the_table(room: Room) -> None:
    hand = room.start_at(BUDGET, TABLE + ROMAN)
    hand.tap_at(0.4, times=2)
    hand.sees_zoom("zoom > 1.3")
    hand.sees_page(TABLE + ROMAN)
    hand.tap_at(0.4, times=2)
    hand.sees_zoom("zoom === 1")
    hand.tap_at(0.4, times=2)
    hand.sees_zoom("zoom > 1.3")
    hand.sees_page(TABLE + ROMAN)


@task(
    "iPad",
    "議員",
    "二本の指で広げて大きくし、動かして続きを見る",
    "Spread two fingers, and move the page",
    "二本の指で広げる → 一本の指で動かす",
)
def spread_and_move(room: Room) -> None:
    hand = room.start_at(BUDGET, TABLE + ROMAN)
    hand.spread_fingers()
    hand.sees_zoom("zoom > 2")
    before = hand.tab.evaluate("window.sidebooks.x")
    hand.swipe("left")
    hand.tab.wait_for_function(f"() => window.sidebooks.x < {before} - 100")
    hand.sees_page(TABLE + ROMAN)


@task("Android", "議員", "ボタンで文字を大きくする", "Enlarge with a button", "表示 → 大きく")
def enlarge_with_a_button(room: Room) -> None:
    hand = room.start_at(BUDGET, 5)
    hand.press("表示")
    hand.press("大きく")
    hand.press("大きく")
    hand.sees_zoom("zoom > 1.4")


@task("Android", "議員", "ページを横幅いっぱいに広げる", "Fill the width with the page", "表示 → 1ページ → 横幅いっぱい")
def fill_the_width(room: Room) -> None:
    hand = room.start_at(BUDGET, 5)
    hand.press("表示")
    hand.press("1ページ")
    hand.press("横幅いっぱい")
    hand.sees_zoom("zoom > 1.2")


@task("iPad", "議員", "「37ページをお開きください」", "Go to the printed page 37", "ページ番号に触れる → 37 → 移動")
def go_to_page_37(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("1 (4 / 60)", exact=False)
    hand.write("移動先のページ番号", "37")
    hand.press("移動")
    hand.sees_page(37 + ROMAN)
    hand.sees("37 (40 / 60)")


@task(
    "iPad", "議員", "紙面とファイルで番号が違う決算書の、紙面の37ページを開く", "Say which number a page has, and go to 37",
    "ページ → 紙面に印刷された番号で探す → 6 → 保存 → 37 → 移動",
)  # fmt: skip
def printed_numbers(room: Room) -> None:
    hand = room.start_at(ACCOUNTS, 10)  # "― 6 ―" stands on it
    hand.press("ページ")
    hand.tab.get_by_text("紙面に印刷された番号で探す").tap()
    hand.write("10枚目に印刷された番号", "6")
    hand.press("保存")
    hand.sees("6 (10 / 50)")
    hand.write("移動先のページ番号", "37")
    hand.press("移動")
    hand.sees_page(41)
    hand.sees("37 (41 / 50)")
    hand.sees("6ページへ戻る")


@task("iPad", "議員", "予算書の中で「予備費」を探す", "Find 予備費 in the budget", "検索 → 予備費")
def find_the_reserves(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("検索")
    hand.write("この文書を検索", "予備費")
    hand.enter()
    hand.sees("3か所見つかりました")
    hand.sees("1 / 3")
    hand.sees_page(RESERVES[0] + ROMAN)


@task(
    "iPad", "議員", "次の「予備費」へ、前の「予備費」へ", "The next hit, and the one before", "検索 → 予備費 → 閉じる → 次 → 前"
)
def the_next_hit(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("検索")
    hand.write("この文書を検索", "予備費")
    hand.press("検索", within=hand.panel("検索"))
    hand.sees("1 / 3")
    hand.press("閉じる", within=hand.panel("検索"))
    hand.press("次")
    hand.sees("2 / 3")
    hand.sees_page(RESERVES[1] + ROMAN)
    hand.press("次")
    hand.sees_page(RESERVES[2] + ROMAN)
    hand.press("前")
    hand.sees_page(RESERVES[1] + ROMAN)


@task(
    "iPad", "議員", "さっきまで読んでいたページへ戻る", "Back to where I was", "ページ番号に触れる → 37 → 移動 → 1ページへ戻る"
)
def back_to_where_i_was(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("1 (4 / 60)", exact=False)
    hand.write("移動先のページ番号", "37")
    hand.press("移動")
    hand.sees_page(37 + ROMAN)
    hand.press("1ページへ戻る")
    hand.sees_page(4)


@task("Android", "議員", "目次から給与費明細書へ", "A chapter of the contents", "目次 → 給与費明細書")
def a_chapter(room: Room) -> None:
    hand = room.start_at(BUDGET, 1)
    hand.press("目次")
    hand.tab.get_by_role("button", name="給与費明細書").tap()
    hand.sees("49–50 (52–53 / 60)")


@task("iPad", "議員", "小さなページの一覧から選ぶ", "Choose among the small pages", "ページ → 5")
def choose_a_small_page(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("ページ")
    hand.press("5 (8)")
    hand.sees_page(8)


@task(
    "iPad",
    "議員",
    "予算書と議案第1号を並べて読む",
    "Both papers side by side",
    "メニュー → 2つの文書を並べる → 議案 → 議案第1号",
)
def two_papers(room: Room) -> None:
    hand = room.start_at(BUDGET, 4)
    hand.press("メニュー")
    hand.press("2つの文書を並べる")
    hand.press("議案", within=hand.panel("2つの文書を並べる"))
    hand.press("議案第1号")
    hand.sees_page(1, pane=1)
    hand.sees("議案第1号")
    hand.tap_at(0.96, 0.7)
    hand.sees_page(2, pane=1)
    hand.sees_page(4)


@task("Android", "議員", "並べた文書を1つに戻す", "Back to one paper", "メニュー → 1つの文書に戻す")
def one_paper_again(room: Room) -> None:
    beside = f"&beside=paper={room.hall.papers['議案第1号']}/2"
    hand = room.start(f"#paper={room.hall.papers[BUDGET]}/4{beside}")
    hand.sees_page(2, pane=1)
    hand.press("メニュー")
    hand.press("1つの文書に戻す")
    hand.tab.wait_for_function("() => document.querySelectorAll('.canvas').length === 1")
    hand.sees_page(4)


@task(
    "iPad",
    "議員",
    "このページにしおりをはさみ、後でそこへ戻る",
    "Bookmark a page, and come back to it",
    "しおり → このページにしおりをはさむ … しおり → ページ 37",
)
def bookmark_a_page(room: Room) -> None:
    hand = room.start_at(BUDGET, 37 + ROMAN)
    hand.press("しおり")
    hand.press("このページにしおりをはさむ")
    hand.press("閉じる", within=hand.panel("しおり"))
    for page in (41, 42):
        hand.tap_at(0.96)
        hand.sees_page(page)
    hand.press("しおり")
    hand.press("ページ 37", within=hand.panel("しおり"))
    hand.sees_page(37 + ROMAN)


@task("Android", "議員", "暗い部屋で読めるようにする", "Read in a dark room", "表示 → 夜間")
def read_at_night(room: Room) -> None:
    hand = room.start_at(BUDGET, 5)
    hand.press("表示")
    hand.press("夜間", within=hand.panel("表示"))
    hand.tab.wait_for_selector("html[data-night]", state="attached")
    hand.press("閉じる", within=hand.panel("表示"))


@task(
    "iPad",
    "議員",
    "ボタンを隠してページを大きくし、また出す",
    "Hide the buttons, and have them back",
    "画面の中央に触れる → もう一度",
)
def hide_the_buttons(room: Room) -> None:
    hand = room.start_at(BUDGET, 5)
    hand.tap_at(0.5)
    hand.sees_no("しおり")
    hand.tab.wait_for_timeout(400)  # two taps in a row are something else
    hand.tap_at(0.5)
    hand.sees("しおり")
    hand.sees_page(5)


@task(
    "phone",
    "議員",
    "すべての文書から「予備費」を探して開く",
    "Search all papers, and open a hit",
    "全文書を検索 → 予備費 → 検索 → 14",
)
def search_all_papers(room: Room) -> None:
    hand = room.start()
    hand.sees_link(SESSION)
    hand.write("全文書を検索", "予備費")
    hand.press("検索")
    hand.sees("3ページで見つかりました")
    hand.open(f"{RESERVES[0] + ROMAN}ページ")
    hand.sees_page(RESERVES[0] + ROMAN)
    hand.sees("1 / 3")


@task("phone", "議員", "前に読んでいたところから続きを読む", "Go on where I left off", "本棚 → 続きから読む → 議案第3号")
def go_on_reading(room: Room) -> None:
    hand = room.start_in(room.hall.session)
    hand.open("議案第3号")
    hand.sees_page(1)
    hand.sees("1 / 3")
    hand.swipe("left")
    hand.sees_page(2)
    hand.press("本棚")
    hand.press("本棚", "link")
    hand.sees("続きから読む")
    hand.open("2 / 3ページまで")
    hand.sees_page(2)


@task(
    "iPad",
    "議員",
    "縦書きの陳情書を読む（右とじ）",
    "Read a paper that is bound on the right",
    "陳情第1号（縦書き） → 画面の左端 → 右へ払う",
)
def read_an_upright_paper(room: Room) -> None:
    hand = room.start_in(room.hall.session)
    hand.open(PETITION)
    hand.sees_page(1)
    hand.tap_at(0.04)
    hand.sees_page(2)
    hand.swipe("right")
    hand.sees_page(3)


@task(
    "phone",
    "member",
    "英語の画面で、去年の会議録を探す",
    "Find the minutes of last year, in English",
    "過年度 → 令和7年 → 会議録",
    language="en",
)
def the_archive(room: Room) -> None:
    hand = room.start_in(room.hall.session, who="議員")
    hand.sees("Password")
    hand.sees_link(BUDGET)
    hand.open("過年度")
    hand.open("令和7年")
    hand.open(ARCHIVED)
    hand.sees_page(1)
    hand.sees("Contents")
    assert LOCKED not in hand.tab.title()
