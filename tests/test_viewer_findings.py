"""Each finding of the review of the viewer, and the tests that hold what mends it."""

from __future__ import annotations

import re
from pathlib import Path

TOUCH, PAGE, OUTAGE = "findings_touch", "findings_page", "findings_outage"

FINDINGS = {
    "D1 names": [(OUTAGE, "papers_have_the_names_of_their_files")],
    "D2 text too small": [
        (PAGE, "a_page_as_wide_as_the_screen_stays_so"),
        (PAGE, "a_zoom_is_kept_over_turns_jumps_and_rotation"),
        (PAGE, "a_tap_in_the_middle_gives_the_whole_screen_to_the_page"),
        (PAGE, "a_double_tap_fills_the_screen_with_the_column"),
        (PAGE, "two_fingers_move_an_enlarged_page_and_one_lets_it_run_on"),
    ],
    "D3 outages": [
        (OUTAGE, "after_an_outage_of_the_server_everything_comes_by_itself"),
        (OUTAGE, "the_shelf_that_was_opened_in_an_outage_comes_by_itself"),
        (OUTAGE, "a_device_without_a_connection_goes_on_when_it_has_one"),
        ("lists", "a_shelf_without_a_server_says_so_and_comes_by_itself"),
    ],
    "D4 turns that nobody meant": [
        (TOUCH, "scrolling_with_a_drift_sideways_turns_nothing"),
        (TOUCH, "a_slanting_drag_turns_nothing"),
        (TOUCH, "a_thumb_that_rests_at_an_edge_turns_nothing"),
        (TOUCH, "a_long_press_on_text_turns_nothing"),
        (TOUCH, "a_tap_or_two_away_from_the_edges_turn_nothing"),
        (TOUCH, "a_tap_beside_an_open_panel_closes_it_and_turns_nothing"),
        (TOUCH, "a_flick_of_a_trackpad_with_its_inertia_turns_one_page"),
        (TOUCH, "a_thumb_that_rests_leaves_the_other_hand_free"),
        (TOUCH, "a_tap_that_trembles_is_a_tap"),
        (TOUCH, "there_is_nothing_between_a_tap_and_a_swipe"),
    ],
    "D5 replacement": [
        (OUTAGE, "a_file_that_is_replaced_leads_its_reader_to_the_same_page"),
        ("shelf", "a_replaced_paper_leads_its_reader_to_the_same_page"),
        ("choices", "what_is_kept_of_a_file_stays_when_the_file_is_another_one"),
        ("changes", "what_becomes_of_the_second_of_two_papers_is_told_in_its_pane"),
    ],
    "D6 locked and damaged files": [
        ("lists", "served_files_stand_in_their_folders_without_endings"),
        ("clerks", "what_cannot_be_opened_says_why_and_takes_a_password"),
        (OUTAGE, "a_cover_that_cannot_be_drawn_is_a_sign_and_no_broken_image"),
    ],
    "D7 page numbers": [
        (PAGE, "a_page_is_gone_to_by_its_number_its_label_or_what_is_printed"),
        (PAGE, "a_document_without_labels_learns_which_number_is_printed"),
    ],
    "D8 thumbnails": [("client", "the_strip_is_full_wherever_one_reads_on_or_jumps_to")],
    "D9 old browsers": [
        ("reach", "the_oldest_browsers_can_read_each_file"),
        ("reach", "one_reads_without_anything_newer_than_the_oldest_browsers"),
        ("reach", "a_viewer_that_cannot_start_says_so"),
        ("reach", "one_reads_where_nothing_may_be_kept"),
        ("reach", "one_reads_in_other_engines"),
    ],
    "D10 a large shelf": [
        ("lists", "lists_are_ordered_and_filtered_as_people_read_names"),
        ("lists", "a_meeting_is_shown_with_its_folders_as_sections"),
        ("lists", "thousands_of_papers_are_there_at_once_and_grow_by_few_in_a_frame"),
        ("lists", "one_returns_to_the_row_one_came_from"),
        ("lists", "a_cover_is_sharp_and_keeps_its_place"),
    ],
    "D11 copying": [
        ("text", "words_are_copied_with_their_spaces_and_columns_in_their_order"),
        ("text", "a_table_and_columns_of_vertical_text_are_copied_line_by_line"),
    ],
    "D12 boxes of vertical text": [("text", "the_ink_of_vertical_text_is_under_its_boxes")],
    "D13 search": [
        (OUTAGE, "hits_are_counted_and_gone_through"),
        (OUTAGE, "more_than_five_hundred_hits_and_the_present_one_in_another_colour"),
        (OUTAGE, "a_slow_search_says_that_it_works_and_can_be_stopped"),
        ("search", "a_hit_of_the_search_opens_its_page_with_the_hit_marked"),
    ],
    "D14 right to left": [
        (PAGE, "a_document_bound_on_the_right_has_everything_mirrored"),
        (PAGE, "the_binding_can_be_chosen_and_is_remembered"),
    ],
    "D15 two pages": [(PAGE, "two_pages_lie_side_by_side_where_there_is_room")],
    "D16 the way back": [(PAGE, "there_is_a_way_back_from_every_jump")],
    "D17 words on buttons": [
        (OUTAGE, "every_button_has_words_that_are_seen"),
        (OUTAGE, "the_contents_show_pages_and_where_one_is"),
        (OUTAGE, "borders_of_controls_are_seen"),
    ],
    "D18 phones": [
        (OUTAGE, "on_a_phone_everything_is_on_the_screen"),
        (OUTAGE, "a_finger_reaches_the_whole_title_of_a_paper"),
    ],
    "D19 printing": [
        ("text", "pages_are_printed_at_the_resolution_of_paper_and_without_the_screen"),
        ("text", "the_browser_s_own_print_has_the_page_whole_and_no_bars"),
        ("text", "the_original_can_be_had_where_access_allows"),
    ],
    "D20 keys": [
        (PAGE, "keys_turn_after_the_slider_was_used"),
        (PAGE, "a_mouse_pans_an_enlarged_page_over_its_text"),
    ],
    "D21 English words": [
        (OUTAGE, "an_address_that_names_nothing_says_so_in_japanese"),
        (OUTAGE, "a_page_that_is_no_whole_number_is_the_first"),
        (OUTAGE, "a_page_that_cannot_be_drawn_says_so_in_japanese"),
        ("reach", "without_scripts_both_languages_say_what_to_do"),
    ],
    "D22 news": [
        (OUTAGE, "news_can_be_closed_and_go_by_themselves"),
        ("lists", "notices_of_the_shelf_can_be_closed_and_go_by_themselves"),
    ],
    "D23 screen readers": [
        ("text", "links_are_named_by_their_text_and_lead_on"),
        ("text", "a_column_of_vertical_text_is_read_as_one_text"),
        ("text", "a_page_is_a_group_with_a_name_and_a_language"),
        ("text", "the_system_s_colours_do_not_show_the_text_over_the_picture"),
        ("layout", "all_of_it_works_by_keyboard"),
    ],
    "D24 links under swipes": [
        (TOUCH, "a_swipe_that_begins_on_a_link_turns_and_a_tap_follows_it"),
        ("text", "links_are_large_enough_for_a_finger_and_take_nothing_from_one_another"),
    ],
    "D25 a green line": [(PAGE, "no_ring_is_around_the_page_of_who_only_reads")],
    "D26 slow opening": [
        (OUTAGE, "a_slow_opening_has_its_cover_and_never_moves_about"),
        (OUTAGE, "the_stage_keeps_its_size_while_the_buttons_come"),
        ("lists", "a_cover_is_sharp_and_keeps_its_place"),
    ],
    "D27 the edge of the page": [
        (PAGE, "the_page_has_an_edge_and_does_not_touch_the_bars"),
        (PAGE, "two_pages_lie_side_by_side_where_there_is_room"),
    ],
    "D28 night": [
        (PAGE, "the_page_has_an_edge_and_does_not_touch_the_bars"),
        (PAGE, "the_strip_and_the_slider_are_seen_at_night"),
    ],
    "D29 size of text": [
        (OUTAGE, "the_size_of_the_browser_s_text_is_followed"),
        ("lists", "no_text_or_control_has_a_size_in_pixels"),
    ],
    "D30 long strips": [(PAGE, "a_long_strip_can_be_read")],
    "D31 home screen": [("installed", "it_can_be_put_on_the_home_screen")],
    "D32 no connection": [
        ("installed", "a_start_without_a_connection_says_so_and_goes_on_by_itself"),
        ("installed", "without_a_server_the_viewer_starts_and_what_is_not_its_own_does_not"),
    ],
    "D33 empty shelf": [(OUTAGE, "an_empty_shelf_says_what_it_is_for")],
    "D34 two tabs": [(OUTAGE, "the_last_of_two_tabs_to_move_is_where_one_goes_on")],
}


def test_every_finding_has_tests_that_are_there() -> None:
    numbers = [int(name.split()[0].removeprefix("D")) for name in FINDINGS]
    assert numbers == list(range(1, 35))
    there = {
        path.stem.removeprefix("test_viewer_"): set(re.findall(r"^def test_(\w+)\(", path.read_text("utf-8"), re.MULTILINE))
        for path in Path(__file__).parent.glob("test_viewer_*.py")
    }
    named = [one for tests in FINDINGS.values() for one in tests]
    assert [(file, test) for file, test in named if test not in there[file]] == []
    own = {(file, test) for file in (TOUCH, PAGE, OUTAGE) for test in there[file]}
    assert own - set(named) == set(), "each test of these files is about a finding"
