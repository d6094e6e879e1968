/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * console: the console log of a VM as its key holds it: a window of whole lines that slides. Text of a guest: any
 * bytes.
 */
#pragma once

#include "base/base.h"

/* Where the last `lines` lines begin. A newline at the very end ends a line, it does not begin one. */
const char *console_tail(const char *log, uint64_t lines);
/* Where in `now` begins what was not yet in `before`, both windows over the same text. *ret_gap: they do not meet, so
 * lines were lost between them. */
const char *console_new_part(const char *before, const char *now, bool *ret_gap);
/* The text without what a terminal would obey: control characters but newline and tab, bytes that are no UTF-8. NULL
 * without memory; the caller frees. */
char *console_harmless(const char *text);
