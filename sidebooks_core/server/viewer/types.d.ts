/* Shapes that several modules of the viewer share. Nothing of this is served. */

import type { FolderDetails, PageFate, PaperDetails } from "./api.js";
import type { Bars } from "./bars.js";
import type { makeBeside } from "./beside.js";
import type { Bitmap } from "./bitmaps.js";
import type { Book, Hit, Link, OutlineEntry, Page, Word } from "./book.js";
import type { Changes } from "./changes.js";
import type { choices } from "./choices.js";
import type { Library } from "./client.js";
import type { IconName } from "./elements.js";
import type { Finding } from "./finding.js";
import type { Box, PageSize, TileBox, View } from "./layout.js";
import type { Marking } from "./marking.js";
import type { Notices } from "./notices.js";
import type { PanelName, Panels } from "./panel.js";
import type { Place as Address } from "./place.js";
import type { Positions } from "./positions.js";
import type { Reader } from "./reader.js";
import type { Participation } from "./participation.js";
import type { Problem } from "./requests.js";
import type { makeShelf, ShelfPlace } from "./shelf.js";

export type {
  Address, Bitmap, Book, Box, Finding, FolderDetails, Hit, IconName, Library, Link, OutlineEntry, Page, PageFate, PageSize,
  PanelName, PaperDetails, Problem, Reader, ShelfPlace, TileBox, View, Word,
};

// Places on a view

export type Point = { x: number; y: number };
export type Side = "left" | "right";
export type Step = 1 | -1;
/** [x0, y0, x1, y1] */
export type Corners = [number, number, number, number];
export type Span = { left: number; right: number };
export type Rect = Span & { top: number; bottom: number };
export type Mode = "page" | "width" | "free";
export type FitMode = "page" | "width";
/** Where the reader looks: see reading.js. */
export type Place = { mode: Mode; zoom: number; x: number; y: number };
/** How far a spread can be moved each way. */
export type Room = Span & { up: number; down: number };
/** The stage in pixels of the screen; ratio: how many of them to one of CSS; margin: around the page. */
export type Seen = View & { ratio: number; margin: number };
/** How a spread lies on a view. */
export type Lay = { boxes: Box[]; view: View };
/** As a canvas takes it. */
export type Matrix = [number, number, number, number, number, number];
/** In which a turned page stands upright: see frames.js. */
export type Frame = { box: Box; view: View; matrix: Matrix };

// Fingers, wheels, and what they mean

export type Under = "page" | "link" | "text";
export type PointerKind = "touch" | "pen" | "mouse";
export type FingerEvent = Point & { kind: "down" | "move" | "up" | "cancel"; id: number; t_ms: number; on: Under; pointer: PointerKind };
export type Finger = Point & { t_ms: number; from: Point; on: Under; pointer: PointerKind };
export type Moment = Point & { t_ms: number };
export type Fingers = { [id: number]: Finger };
/** selects: there is a selection; edges: taps near them turn. */
export type Scene = { width: number; height: number; room: Room; selects: boolean; edges: boolean };

type Touching = { tapped: Moment | null; down: Fingers };
export type GestureState = Touching & (
  | { name: "idle" }
  | { name: "spent" }
  | { name: "pressed"; id: number; hadSelection: boolean }
  | { name: "swiping"; id: number }
  | { name: "panning"; id: number; pull: number | null; samples: Moment[] }
  | { name: "two"; first: number; second: number; rested: boolean }
  | { name: "pinching"; first: number; second: number; rested: boolean; span: number; at: Point }
);
export type GestureName = GestureState["name"];
export type StateOf<N extends GestureName> = Extract<GestureState, { name: N }>;
export type Outcome = [GestureState, Effect[]];
/** What a state makes of a finger that moves, or that goes up; `before`: the finger as it was. */
export interface Reactions<S> {
  move(state: S, event: FingerEvent, scene: Scene, before: Finger): Outcome;
  up(state: S, event: FingerEvent, scene: Scene, before: Finger): Outcome;
}

export type WheelTold = Point & { dx: number; dy: number; t_ms: number; ctrl: boolean; isNotch: boolean };
export type Stroke = { t_ms: number; least: number; sum: number; turned: boolean; panned: boolean };

/** What a reader does with effects. */
export interface Doing {
  edge(side: Side): unknown;
  tap(x: number, y: number): unknown;
  doubleTap(x: number, y: number): unknown;
  follow(dx: number): unknown;
  letGo(dx: number, turns: boolean): unknown;
  move(dx: number, dy: number, pull?: number): unknown;
  unpull(): unknown;
  fling(vx: number, vy: number): unknown;
  pinch(factor: number, x: number, y: number, dx: number, dy: number): unknown;
  turn(step: Step): unknown;
  towards(side: Side): unknown;
  zoom(factor: number, x: number, y: number): unknown;
}
export type Effect = { [N in keyof Doing]: [N, ...Parameters<Doing[N]>] }[keyof Doing];
export interface Handlers extends Doing {
  scene(): { room: Room; edges: boolean };
  touched(): boolean;
  /** Whether an effect of fingers, or of the wheel, holds now. */
  means(effect: Effect[0], by: "fingers" | "wheel"): boolean;
}

// Documents, and the reader of one

export type Direction = "ltr" | "rtl";
export type TextContent = { words: Word[]; links: Link[] };
/** A book that may be of a paper. */
export type Printable = Book & { paper?: PaperDetails | null };
/** What a reader is opened with. key: as in the address; chosen: the direction that its reader has chosen. */
export type About = { key: string; paper: PaperDetails | null; chosen?: Direction; turns: Turns };
/** By how many quarters single pages are turned to the right, beside the turn that all have. */
export type Turns = { readonly [page: number]: number };
/** page_kept: the page that the server was told of. */
export type OpenBook = Book & About & { opened_ms: number; page_kept?: number };
export type ReaderState = Place & {
  book: OpenBook | null; page: number; slide: number; pull: number; quarters: number; turn: number; direction: Direction;
};
export type SpreadChoice = "auto" | "one" | "two";
export type ReaderOptions = { readonly fit: FitMode; readonly spread: SpreadChoice; readonly cover: boolean; readonly edges: boolean };
export type Asked = [page: number, width: number, height: number];
export type Fineness = "paper" | "coarse" | "sharp";
/** Paints over a page, upright. */
export type Layer = (context: CanvasRenderingContext2D, frame: { page: number; box: Box; view: View }) => void;
export type PaintScene = {
  book: Book; view: View; boxes: Box[]; place: { zoom: number; x: number; y: number }; quartersOf: (page: number) => number;
  askFor: (box: Box) => Asked; layers: Layer[];
};

// Marks: as sidebooks_core/marks/model.py has them

/** [ms since 1970 by the server's clock, counter, device] */
export type Stamp = [at_ms: number, counter: number, device: string];
export type Visibility = "private" | "shared" | "collected";
/** [x_pt, y_pt, pressure] */
export type Sample = [x_pt: number, y_pt: number, pressure: number];
export type Quad = [number, number, number, number, number, number, number, number];
/** page: from 0. */
export type Anchor = { revision: number; page: number; content_id: string; quote?: string };
export type InkBody = { kind: "ink"; samples: Sample[]; width_pt: number; colour: string; opacity?: number };
export type HighlightBody = { kind: "highlight" | "underline" | "strikeout"; quads: Quad[]; colour: string; text?: string };
export type NoteBody = { kind: "note"; x_pt: number; y_pt: number; text: string; colour: string };
export type StampBody = { kind: "stamp"; x_pt: number; y_pt: number; height_pt: number; text: string; colour: string };
export type BookmarkBody = { kind: "bookmark"; text?: string };
export type MarkBody = InkBody | HighlightBody | NoteBody | StampBody | BookmarkBody;
export type Mark = {
  id: string; stamp: Stamp; anchor: Anchor; body: MarkBody | null; visibility?: Visibility; meeting?: string; is_of_file?: boolean;
  owner?: string;
};
/** A mark as this device keeps it. isPending: the server has not taken it yet; isUnsure: it was stamped before the server's clock was
    known; refused: why the server does not take it. */
export type MarkRecord = {
  person: string; paper: string; id: string; mark: Mark; isMine: boolean; isPending: boolean; isUnsure?: boolean; refused?: string;
  isLocal?: boolean;
};
/** page: in the revision that is open, from 1; null: it was removed. */
export type PlacedMark = {
  mark: Mark; kind: "exact" | "changed" | "removed"; page: number | null; isMine: boolean; isPending: boolean; refused?: string;
};
/** id: that the device has made already. */
/** isNoted: false: it is no step that can be undone. */
export type AddOptions = { id?: string; quote?: string; visibility?: Visibility; meeting?: string; isNoted?: boolean };
/** [x0, y0, x1, y1] in points of the page; null: it lies nowhere on it. */
export type MarkBox = Corners | null;
/** How marks of one kind are painted and found. Units are points of the upright page; scale: pixels of the screen to one of them. */
export interface MarkKind<B extends MarkBody = any> {
  paint(context: CanvasRenderingContext2D, body: B, scale: number): void;
  hits(body: B, x_pt: number, y_pt: number, radius_pt: number): boolean;
  box(body: B): MarkBox;
}
export type MarkChanges = {
  seq: number; server_ms: number; is_whole: boolean; marks: (Mark & { mine?: boolean })[]; gone: string[];
  /** Another one than before: a backup was restored. */
  epoch: string;
  /** To ask with for the marks that follow; empty: there are none. */
  next?: string;
};
export type MarksPushed = {
  server_ms: number; marks: (Mark & { mine?: boolean })[]; refused: { id: string; reason: string }[];
};
/** The server's side of the marks of one paper. */
export interface MarksApi {
  read(since: number, device: string, next: string): Promise<MarkChanges>;
  push(device: string, marks: Mark[], isLeaving?: boolean): Promise<MarksPushed>;
}

// What the screens share

export type Marks = { paper: string; query: string; hits: Hit[] };
export type Shelf = ReturnType<typeof makeShelf>;
export type EntryWay = "login" | "join" | "setup";

/** `app` of main.js. */
export interface App {
  readonly library: Library;
  readonly reader: Reader;
  readonly choices: typeof choices;
  /** Of two papers side by side, the one that was touched last. */
  active: Reader;
  shelf: Shelf | null;
  /** Shows again the page that stands in the place of a screen. */
  entry: (() => unknown) | null;
  extras: Extras | null;
  /** The hits with which a paper is opened. */
  marks: Marks | null;
  /** The meeting that this tab takes part in. */
  meeting: Participation | null;
  hash: string;
  /** The server knows nobody who asks, so it is asked for nobody's place. */
  isNobody: boolean;
  /** Who asks, by the server's name of them; empty: that is not known. It stays when their login ends. */
  person: string;
  /** told: the token of a link, or why one has to log in. */
  showEntry(way: EntryWay, told?: string): Promise<void>;
  showShelf(place: ShelfPlace): Promise<void>;
  showBook(id: string, page: number | null, paper?: PaperDetails | null): Promise<void>;
  leaveReader(): void;
  afterwards(): Promise<Extras>;
  places(): Address;
  endWaiting(): void;
}
/** When extras.js is there. */
export interface FullApp extends App { extras: Extras }

export interface Extras {
  readonly notices: Notices;
  readonly bars: Bars;
  readonly panels: Panels;
  readonly changes: Changes;
  readonly positions: Positions;
  readers: Reader[];
  beside?: Beside;
  finding?: Finding | null;
  tell(text: string): void;
  fail(error: Error & { status?: number }, kind?: string): void;
  tools(): HTMLElement[];
  leave(): void;
  arrived(place: Address): Promise<void>;
  speak(language: string): Promise<void>;
  setLight(light: string): void;
  say(text: string): void;
  adopt(other: Reader | null): void;
  paintStrip(): void;
  openBeside(place: BesidePlace): Promise<void>;
  /** The marks of a reader, when they are there. */
  markingOf(reader: Reader): Promise<Marking>;
  /** All that there are. */
  readonly markings: Marking[];
  /** Draw on the page that is read, or end that. */
  draw(): Promise<void>;
}
export type BesidePlace = { kind: string; id: string; page: number | null };
export type Beside = ReturnType<typeof makeBeside>;

/** A module of panel.js. `fill` gives what cleans up. */
export interface PanelModule {
  title: string;
  fill(app: FullApp, body: HTMLElement): CleanUp | null | Promise<CleanUp | null>;
}
export type CleanUp = () => void;
export type WayBack = { made: HTMLElement; turns: number };

/** What index.html and bars.js have, by id, where it is more than an HTMLElement. */
export interface Named {
  canvas: HTMLCanvasElement;
  strip: HTMLCanvasElement;
  position: HTMLInputElement;
  back: HTMLButtonElement;
  next: HTMLButtonElement;
  previous: HTMLButtonElement;
  number: HTMLButtonElement;
}

declare global {
  interface Window { sidebooks: ReaderState }
  var sidebooksStarted: boolean | undefined;
}
