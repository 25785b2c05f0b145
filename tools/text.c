/* SPDX-License-Identifier: MIT */
/*
 * Output for people, the complaints on stderr, and the few strings the commands keep.
 *
 * Owns: nothing. Threads and locks: none. Must never: print a byte of a foreign file or name as it came.
 */
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (p)
		return p;
	fputs("dftio: out of memory\n", stderr);
	exit(2);
}

char *xstrdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xrealloc(NULL, size), text, size);
}

static char *format_list(const char *format, va_list list)
{
	char *text;

	if (vasprintf(&text, format, list) >= 0)
		return text;
	fputs("dftio: out of memory\n", stderr);
	exit(2);
}

char *xprintf(const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	text = format_list(format, list);
	va_end(list);
	return text;
}

void strings_add(struct strings *list, const char *text)
{
	list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = xstrdup(text);
}

void strings_add_once(struct strings *list, const char *text)
{
	if (!strings_have(list, text))
		strings_add(list, text);
}

bool strings_have(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

void strings_free(struct strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

/* How long the sequence with this first byte has to be; 0 when none begins so. */
static size_t utf8_expected(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t length = utf8_expected(p[0]);

	/* A NUL is no continuation, so this never runs past the end. */
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return length;
}

static bool is_control(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

void put(FILE *out, const char *text)
{
	while (*text) {
		size_t length = utf8_length(text);

		if (length == 0 || is_control(text)) {
			fprintf(out, "\\x%02x", (unsigned char)*text);
			text++;
		} else {
			fwrite(text, 1, length, out);
			text += length;
		}
	}
}

int text_width(const char *text)
{
	int width = 0;

	while (*text) {
		size_t length = utf8_length(text);
		bool escaped = length == 0 || is_control(text);

		width += escaped ? 4 : 1;
		text += escaped ? 1 : length;
	}
	return width;
}

void put_padded(FILE *out, const char *text, int width)
{
	put(out, text);
	fprintf(out, "%*s", width > text_width(text) ? width - text_width(text) : 0, "");
}

static bool colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

void put_coloured(enum colour colour, const char *text)
{
	static const char *const codes[] = {
		[COLOUR_GOOD] = "\033[32m",
		[COLOUR_WARN] = "\033[33m",
		[COLOUR_BAD] = "\033[31m",
		[COLOUR_HEAD] = "\033[1m",
	};

	if (colour == COLOUR_NONE || !colour_wanted()) {
		put(stdout, text);
		return;
	}
	fputs(codes[colour], stdout);
	put(stdout, text);
	fputs("\033[0m", stdout);
}

/* The columns of the terminal; 0 when stdout is none. */
static int terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 80;
}

void put_wrapped(int left, const char *text)
{
	int columns = terminal_width(), column = left;

	while (*text) {
		size_t length = strcspn(text, " ");
		char *word = xprintf("%.*s", (int)length, text);
		int width = text_width(word);

		if (column > left && columns > 0 && column + 1 + width > columns) {
			printf("\n%*s", left, "");
			column = left;
		} else if (column > left) {
			putchar(' ');
			column++;
		}
		put(stdout, word);
		free(word);
		column += width;
		text += length;
		text += *text == ' ';
	}
	putchar('\n');
}

void put_paragraph(int indent, int label_width, enum colour colour, const char *label, const char *text)
{
	printf("%*s", indent, "");
	put_coloured(colour, label);
	printf("%*s", label_width > text_width(label) ? label_width - text_width(label) : 0, "");
	put_wrapped(indent + label_width, text);
}

static void complain_list(const char *command, const char *format, va_list list)
{
	char *text = format_list(format, list);

	/* What stdout already has comes first where both are the same terminal. */
	fflush(stdout);
	fprintf(stderr, "%s: ", command);
	put(stderr, text);
	fputc('\n', stderr);
	free(text);
}

void complain(const char *command, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain_list(command, format, list);
	va_end(list);
}

int usage_hint(const char *command)
{
	fprintf(stderr, "Try '%s --help'.\n", command);
	return 2;
}

int usage_error(const char *command, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain_list(command, format, list);
	va_end(list);
	return usage_hint(command);
}

int finish_output(const char *command, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	complain(command, "writing the output failed");
	return 2;
}
