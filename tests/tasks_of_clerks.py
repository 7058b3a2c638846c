"""First-time tasks of a clerk at a desktop, each by what the screen says. test_viewer_tasks.py does them."""

from __future__ import annotations

from typing import Any

import pymupdf
from house import PASSWORD
from task_house import BUDGET, LOCKED, RESERVES, ROMAN, SECRET, Room, plain, task

NEW_PASSWORD = "天の原ふりさけ見れば春日なる"


def order(hand: Any) -> list[str]:
    """The names of the papers, as they stand."""
    return [one.strip() for one in hand.tab.locator("ol li a strong").filter(visible=True).all_text_contents()]


@task(
    "desktop",
    "事務局員",
    "フォルダーを作り、文書をまとめて登録する",
    "Make a folder, and register papers",
    "新しいフォルダー → 名前 → 保存 → 開く → 文書を追加",
)
def register_papers(room: Room) -> None:
    hand = room.start()
    hand.press("新しいフォルダー")
    hand.write("フォルダーの名前", "5月臨時会")
    hand.press("保存")
    hand.open("5月臨時会")
    hand.sees("まだ何もありません")
    names = ["議案第13号", "議案第14号", "議案第15号"]
    for name in names:
        (room.files / f"{name}.pdf").write_bytes(plain(name, 2))
    hand.files("文書を追加", *(room.files / f"{name}.pdf" for name in names))
    for name in names:
        hand.sees_link(name)
    hand.sees("登録しました")


@task("desktop", "事務局員", "議案の順番を入れ替える", "Put a paper into its place", "操作 → 上へ移動")
def change_the_order(room: Room) -> None:
    folder = new_folder(room, "順番", "議案第2号", "議案第1号")
    hand = room.start_in(folder)
    hand.sees_link("議案第1号")
    assert order(hand) == ["議案第2号", "議案第1号"]
    hand.press("操作：議案第1号")
    hand.press("上へ移動")
    hand.tab.wait_for_function("() => document.querySelector('ol li a strong').textContent === '議案第1号'")
    assert order(hand) == ["議案第1号", "議案第2号"]


@task("desktop", "事務局員", "文書の名前の誤りを直す", "Mend a wrong name", "操作 → 名前の変更 → 保存")
def rename_a_paper(room: Room) -> None:
    hand = room.start_in(new_folder(room, "名前", "議案台1号"))
    hand.press("操作：議案台1号")
    hand.press("名前の変更")
    hand.write("名前", "議案第1号")
    hand.press("保存")
    hand.sees_link("議案第1号")
    hand.sees_no("議案台1号")


@task(
    "desktop",
    "事務局員",
    "3ページを差し替え、何が変わったかを確かめる",
    "Replace page 3, and see what changed",
    "操作 → 別のファイルに差し替え → ファイルを選ぶ",
)
def replace_page_3(room: Room) -> None:
    hand = room.start_in(new_folder(room, "差し替え", "補正予算書"))
    with pymupdf.open(stream=plain("補正予算書", 5)) as made:
        made[2].insert_text((72, 560), "正誤：第3葉を改める", fontsize=20, fontname="japan")
        made.save(room.files / "補正予算書（正）.pdf")
    hand.press("操作：補正予算書")
    hand.files("別のファイルに差し替え", room.files / "補正予算書（正）.pdf")
    hand.sees("3ページの内容が変わりました")
    hand.sees("1〜2ページ：変更なし")
    hand.sees("4〜5ページ：変更なし")
    hand.tab.wait_for_function(
        "() => [...document.querySelectorAll('dialog img')].every(one => one.complete && one.naturalWidth)"
    )
    assert hand.dialog.get_by_role("link", name="新しい版：3ページ").is_visible()


@task("desktop", "事務局員", "会議の日まで公開しない", "Show a paper from a day on", "操作 → 公開期間 → 開始 → 保存")
def set_the_window(room: Room) -> None:
    hand = room.start_in(new_folder(room, "公開", "追加議案"))
    hand.press("操作：追加議案")
    hand.press("公開期間", exact=False)
    hand.write("開始（空欄：すぐに公開）", "2099-06-10T09:00")
    hand.press("保存")
    hand.sees("公開前 – 2099年6月10日 9:00 から公開")


@task(
    "desktop",
    "事務局員",
    "誤りのある文書を取り下げ、後で元に戻す",
    "Withdraw a paper, and restore it",
    "操作 → 取り下げ … 操作 → 取り下げを取り消す",
)
def withdraw_and_restore(room: Room) -> None:
    hand = room.start_in(new_folder(room, "取り下げ", "議案第9号"))
    hand.press("操作：議案第9号")
    hand.press("取り下げ")
    hand.write("理由（文書の説明に残ります）", "数字に誤り")
    hand.press("取り下げ", within=hand.dialog)
    hand.sees("取り下げ済み")
    hand.sees("取り下げの理由：数字に誤り")
    hand.press("操作：議案第9号")
    hand.press("取り下げを取り消す")
    hand.press("取り下げを取り消す", within=hand.dialog)
    hand.sees_no("取り下げ済み")
    hand.sees_no("取り下げの理由：数字に誤り")
    hand.sees_no("版の一覧")
    hand.sees_link("議案第9号")


@task(
    "desktop",
    "事務局員",
    "文書を別のフォルダーへ移す",
    "Move a paper to another folder",
    "操作 → 別のフォルダーへ移動 → フォルダー → ここへ移動",
)
def move_a_paper(room: Room) -> None:
    folder = new_folder(room, "移動", "参考資料")
    room.hall.inner(folder, "参考")
    hand = room.start_in(folder)
    hand.press("操作：参考資料")
    hand.press("別のフォルダーへ移動")
    hand.press("移動を開く")
    hand.press("参考を開く")
    hand.sees("本棚 › 移動 › 参考")
    hand.press("ここへ移動")
    hand.sees_no("ここへ移動")
    hand.open("参考")
    hand.sees_link("参考資料")


@task(
    "desktop",
    "事務局員",
    "議員だけが読めるようにする",
    "Let members read a folder, and nobody else",
    "閲覧できる人 → 議員・委員全員 → 保存",
)
def who_may_see(room: Room) -> None:
    hand = room.start_in(new_folder(room, "全員協議会", "協議資料"))
    hand.press("閲覧できる人")
    hand.dialog.get_by_role("radio", name="議員・委員全員").check()
    hand.press("保存")
    hand.sees_no("閲覧できる人: 全員協議会")
    hand.press("閲覧できる人")
    hand.dialog.get_by_text("上のフォルダーと同じ").wait_for()
    assert hand.dialog.get_by_role("radio", name="議員・委員全員").is_checked()


@task(
    "desktop",
    "事務局員",
    "参考人にリンクを渡す",
    "Give a link to a guest",
    "ゲスト用リンク → リンクを作る；参考人：名前 → 文書を開く",
)
def guests_link(room: Room) -> None:
    hand = room.start_in(new_folder(room, "委員会", "参考人の資料"))
    hand.press("ゲスト用リンク")
    hand.press("リンクを作る")
    hand.sees("このフォルダーを閲覧できます")
    hand.tab.get_by_role("img", name="リンクのQRコード").wait_for()
    address = hand.dialog.get_by_label("ゲスト用リンク").input_value()
    guest = room.start(address.rpartition("/")[2], who=None, device="phone")
    guest.write("お名前を入力してください", "参考人 山田")
    guest.press("文書を開く")
    guest.open("委員会")
    guest.sees_link("参考人の資料")
    room.last = hand


@task("desktop", "事務局員", "だれが読んだかを確かめる", "See who has opened a paper", "操作 → 開いた人")
def who_has_read(room: Room) -> None:
    folder = new_folder(room, "既読", "議会運営の申し合わせ")
    reader = room.start_in(folder, who="議員", device="iPad")
    reader.open("議会運営の申し合わせ")
    reader.sees_page(1)
    hand = room.start_in(folder)
    hand.press("操作：議会運営の申し合わせ")
    hand.press("開いた人")
    hand.sees("1人が開きました")
    hand.sees("議員", within=hand.dialog)


@task("desktop", "事務局員", "文書に説明を添える", "Put a note beside a paper’s name", "操作 → 説明と保存の可否 → 説明 → 保存")
def add_a_note(room: Room) -> None:
    hand = room.start_in(new_folder(room, "説明", "正誤表"))
    hand.press("操作：正誤表")
    hand.press("説明と保存の可否")
    hand.write("説明", "当日配布")
    hand.press("保存")
    hand.sees("5ページ – 当日配布")


@task(
    "desktop",
    "事務局員",
    "パスワードのかかった文書を読めるようにする",
    "Unlock a locked paper",
    "パスワードを入力 → ファイルのパスワード → 解除",
)
def unlock_a_paper(room: Room) -> None:
    hand = room.start_in(room.hall.session)
    hand.sees("パスワードで保護されています")
    hand.press("パスワードを入力")
    hand.write("ファイルのパスワード", "まちがい")
    hand.press("解除")
    hand.sees("このパスワードでは開けません。")
    hand.write("ファイルのパスワード", SECRET)
    hand.press("解除")
    hand.sees_link(LOCKED)


@task("desktop", "係長", "新しい議員を利用者に加える", "Add a new member", "利用者 → 名前、権限、初期パスワード → 追加")
def add_a_person(room: Room) -> None:
    hand = room.start()
    hand.press("利用者")
    hand.write("名前", "新人議員")
    hand.choose("権限", "議員・委員（閲覧）")
    hand.write("初期パスワード（本人に伝えてください）", NEW_PASSWORD)
    hand.press("追加")
    hand.sees("新人議員を追加しました。")
    hand.sees("新人議員", within=hand.dialog.get_by_role("list").first)


@task(
    "desktop",
    "clerk",
    "自分のパスワードを変える（英語の画面）",
    "Change one’s own password",
    "name → Change the password → Save",
    language="en",
)
def change_the_password(room: Room) -> None:
    room.hall.ask("POST", "people", {"name": "書記", "role": "clerk", "password": PASSWORD})
    hand = room.start(who="書記")
    hand.press("書記")
    hand.dialog.get_by_text("Change the password").click()
    hand.write("Present password", PASSWORD)
    hand.write("New password", NEW_PASSWORD)
    hand.press("Save")
    hand.sees("The password was changed.")


@task("desktop", "clerk", "ログアウトする（英語の画面）", "Log out", "name → Log out", language="en")
def log_out(room: Room) -> None:
    room.hall.ask("POST", "people", {"name": "主事", "role": "clerk", "password": PASSWORD})
    hand = room.start(who="主事")
    hand.press("主事")
    hand.press("Log out")
    hand.tab.get_by_role("heading", name="Log in").wait_for()


@task(
    "desktop",
    "clerk",
    "すべての文書を検索する（英語の画面）",
    "Search all papers, and open what is found",
    "予備費 → Search → Page 17",
    language="en",
)
def search_from_the_shelf(room: Room) -> None:
    hand = room.start(who="事務局員")
    hand.write("Search in all papers", "予備費")
    hand.press("Search")
    hand.sees("Found on 3 pages")
    hand.open(f"Page {RESERVES[1] + ROMAN}")
    hand.sees_page(RESERVES[1] + ROMAN)
    hand.tab.get_by_role("heading", name=BUDGET).wait_for()


def new_folder(room: Room, name: str, *papers: str) -> str:
    """The start of a task: a folder with papers of five pages."""
    folder = room.hall.folder(name)
    for paper in papers:
        room.hall.paper(folder, f"{paper}.pdf", plain(paper, 5))
    return folder
