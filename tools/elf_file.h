/* SPDX-License-Identifier: MIT */
/*
 * What the tool wants to know of an ELF file, of either class and either byte order, without trusting a byte of it.
 */
#ifndef DFTIO_TOOLS_ELF_FILE_H
#define DFTIO_TOOLS_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_status {
	ELF_INVALID = 0, /* no file was looked at */
	ELF_OK,
	ELF_NOT_ELF,    /* readable, and something else: `head` holds its beginning */
	ELF_DAMAGED,    /* an ELF file that cannot be what it says: `problem` says where */
	ELF_UNREADABLE, /* open or read failed, or no regular file: `problem` says why, `error` has the errno */
};

struct elf_segment {
	uint64_t type, offset, address, file_size;
};

struct elf_entry {
	uint64_t tag, value;
};

struct elf {
	int fd;
	int error;
	uint64_t size; /* of the file: every offset and length below was checked against it */
	bool wide;     /* 64-bit class */
	bool big_endian;
	uint16_t type;     /* ET_EXEC, ET_DYN, ... */
	uint16_t machine;  /* EM_X86_64, ... */
	bool go;           /* carries the marks of the Go toolchain */
	char *interpreter; /* PT_INTERP; NULL when there is none */
	bool has_dynamic;
	char *strings; /* DT_STRTAB, with one NUL more than the file has */
	size_t strings_size;
	struct elf_segment *segments;
	size_t segment_count;
	struct elf_entry *dynamic; /* up to, not including, DT_NULL */
	size_t dynamic_count;
	char head[257]; /* the file's first bytes, NUL-terminated: a script's #! line */
	size_t head_size;
	char problem[160];
};

struct elf_symbol {
	const char *name;
	bool defined; /* the file has it itself; otherwise it is asked of others */
};

/* Opens `path` and reads the headers, the dynamic section and its strings. elf_close() is due whatever comes back. */
enum elf_status elf_open(struct elf *elf, const char *path);
void elf_close(struct elf *elf);

/* The first entry with this tag; false when there is none. `ret_value` may be NULL. */
bool elf_dynamic(const struct elf *elf, uint64_t tag, uint64_t *ret_value);

/* The string at `offset` of the dynamic string table; NULL when it lies outside. */
const char *elf_string(const struct elf *elf, uint64_t offset);

/* elf_dynamic() and elf_string() in one: DT_SONAME, DT_RPATH, DT_RUNPATH. */
const char *elf_dynamic_string(const struct elf *elf, uint64_t tag);

/* Calls `visit` for each named dynamic symbol. False when the table cannot be read; `problem` says why. */
bool elf_each_symbol(struct elf *elf, void (*visit)(const struct elf_symbol *symbol, void *arg), void *arg);

/* "x86-64", "aarch64", ...; "machine 123" for the rest, in a static buffer. */
const char *elf_machine_name(uint16_t machine);

#endif
