/* SPDX-License-Identifier: MIT */
/*
 * What every command of the tool prints and allocates with.
 */
#ifndef DFTIO_TOOLS_TEXT_H
#define DFTIO_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_HEAD };

/* A growing list of strings that it owns. Zero-initialised = empty. */
struct strings {
	char **items;
	size_t count;
};

/* These end the process with status 2 when there is no memory. */
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xprintf(const char *format, ...) PRINTF_LIKE(1, 2);
void strings_add(struct strings *list, const char *text);
void strings_add_once(struct strings *list, const char *text);
bool strings_have(const struct strings *list, const char *text);
void strings_free(struct strings *list);

/* The length in bytes of the valid UTF-8 sequence that `text` begins with; 0 when it is none. */
size_t utf8_length(const char *text);

/* Writes `text`; control characters and bytes that are no UTF-8 as \xNN, so that no foreign name steers a terminal. */
void put(FILE *out, const char *text);
/* The same on stdout, in colour where colour is wanted. */
void put_coloured(enum colour colour, const char *text);
/* `text`, and blanks up to `width` columns. */
void put_padded(FILE *out, const char *text, int width);
int text_width(const char *text);
/* `text` on stdout, whose column is `left` already; wrapped there on a terminal, in one line otherwise. */
void put_wrapped(int left, const char *text);
/*
 * A labelled paragraph on stdout, from column `indent`: the label padded to `label_width`, then the text, wrapped on
 * a terminal and in one line otherwise (so that it can be searched).
 */
void put_paragraph(int indent, int label_width, enum colour colour, const char *label, const char *text);

/* "dftio run: ..." on stderr, in one line. `command` is "dftio run". */
void complain(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same, then "Try 'dftio run --help'". Returns 2, the exit status for it. */
int usage_error(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);
/* The second half alone, where getopt_long() wrote the first. */
int usage_hint(const char *command);
/* Flushes stdout: `status`, or 2 with a line on stderr when what was printed did not arrive. */
int finish_output(const char *command, int status);

#endif
