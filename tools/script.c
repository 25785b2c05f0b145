/* SPDX-License-Identifier: MIT */
/*
 * Who runs a file that is no ELF program: the #! line, as the kernel and env(1) read it.
 *
 * Owns: nothing. Threads and locks: none. Must never: run anything.
 */
#include "examine.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

/* The word at `*text`, to be freed, and `*text` behind it; NULL at the end of the line. */
static char *next_word(const char **text)
{
	const char *start = *text + strspn(*text, BLANKS);
	size_t length = strcspn(start, BLANKS "\n");

	*text = start + length;
	return length > 0 ? xprintf("%.*s", (int)length, start) : NULL;
}

/* What `env` was asked to run: the first word that is neither an option nor an assignment. */
static char *program_of_env(const char *text)
{
	char *word;

	while ((word = next_word(&text))) {
		bool program = word[0] != '-' && !strchr(word, '=');

		if (program)
			return word;
		/* env -Sprogram */
		if (strncmp(word, "-S", 2) == 0 && word[2]) {
			char *rest = xstrdup(word + 2);

			free(word);
			return rest;
		}
		free(word);
	}
	return NULL;
}

/*
 * False when the file is no script. `*ret_program` is what an interpreter `env` looks for in PATH, else NULL.
 * A text without a #! line is the shell's: execvp(3), system(3) and every shell fall back on it.
 */
bool script_interpreter(const struct elf *file, char **ret_interpreter, char **ret_program)
{
	const char *line = file->head, *slash;

	*ret_program = NULL;
	*ret_interpreter = NULL;
	if (file->head_size == 0 || memchr(file->head, '\0', file->head_size))
		return false;
	if (strncmp(line, "#!", 2) != 0) {
		*ret_interpreter = xstrdup("/bin/sh");
		return true;
	}
	line += 2;
	*ret_interpreter = next_word(&line);
	if (!*ret_interpreter)
		return false;
	slash = strrchr(*ret_interpreter, '/');
	if (strcmp(slash ? slash + 1 : *ret_interpreter, "env") == 0)
		*ret_program = program_of_env(line);
	return true;
}
