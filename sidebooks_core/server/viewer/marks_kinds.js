/* The kinds of marks, each in a pure module of its own: how it is painted and found. */

/** @import { MarkBody, MarkKind } from "./types" */

import * as ink from "./ink.js";
import { note, stamp } from "./kind_points.js";
import { highlight, strikeout, underline } from "./kind_words.js";

/** Those that lie nowhere on the page, such as bookmarks, are not here. @type {{[kind: string]: MarkKind}} */
const KINDS = { ink, highlight, underline, strikeout, note, stamp };

/** @param {MarkBody | null} body @returns {MarkKind | undefined} undefined: it is not painted */
export const kindOf = (body) => (body ? KINDS[body.kind] : undefined);
