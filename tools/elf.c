/* SPDX-License-Identifier: MIT */
/*
 * Reads ELF files of either class and byte order.
 *
 * Owns: the descriptor and the tables of `struct elf`. Threads and locks: none.
 * Must never: believe a number from the file before it was checked against the file's size; map the file (another
 * process may truncate it under us, which would be a SIGBUS); block on something that is no regular file.
 */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* No table of a real program comes near; it bounds what a hostile sparse file can make us allocate. */
#define TABLE_MAX ((uint64_t)256 << 20)

/* A member of an ELF structure at `p`, whatever the file's class and byte order. */
#define FIELD(elf, p, type, member)                                                                                    \
	((elf)->wide ? number(elf, (p) + offsetof(Elf64_##type, member), sizeof(((Elf64_##type *)0)->member))          \
		     : number(elf, (p) + offsetof(Elf32_##type, member), sizeof(((Elf32_##type *)0)->member)))
#define SIZE(elf, type) ((elf)->wide ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

__attribute__((format(printf, 2, 3))) static void problem(struct elf *elf, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vsnprintf(elf->problem, sizeof(elf->problem), format, list);
	va_end(list);
}

static uint64_t number(const struct elf *elf, const unsigned char *p, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | p[elf->big_endian ? i : size - 1 - i];
	return value;
}

static bool read_at(struct elf *elf, void *buffer, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = pread(elf->fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			elf->error = n < 0 ? errno : 0;
			problem(elf, "reading failed: %s", n < 0 ? strerror(errno) : "the file shrank");
			return false;
		}
		done += (uint64_t)n;
	}
	return true;
}

/* `size` bytes at `offset`, with a NUL behind them; NULL with `problem` when the file does not have them. */
static unsigned char *read_table(struct elf *elf, uint64_t offset, uint64_t size, const char *what)
{
	unsigned char *table;

	if (offset > elf->size || size > elf->size - offset) {
		problem(elf, "truncated or damaged: %s should end beyond the end of the file", what);
		return NULL;
	}
	if (size > TABLE_MAX) {
		problem(elf, "damaged: %s of %llu bytes", what, (unsigned long long)size);
		return NULL;
	}
	table = malloc(size + 1);
	if (!table) {
		problem(elf, "out of memory");
		return NULL;
	}
	table[size] = '\0';
	if (!read_at(elf, table, size, offset)) {
		free(table);
		return NULL;
	}
	return table;
}

/* Where in the file the byte with this address comes from; false when from nowhere. */
static bool offset_of(const struct elf *elf, uint64_t address, uint64_t *ret_offset)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct elf_segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && address >= s->address && address - s->address < s->file_size) {
			*ret_offset = s->offset + (address - s->address);
			return true;
		}
	}
	return false;
}

static enum elf_status open_regular(struct elf *elf, const char *path)
{
	struct stat st;
	size_t head;

	elf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (elf->fd < 0 || fstat(elf->fd, &st)) {
		elf->error = errno;
		problem(elf, "%s", strerror(errno));
		return ELF_UNREADABLE;
	}
	if (!S_ISREG(st.st_mode)) {
		elf->error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		problem(elf, "%s", S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file");
		return ELF_UNREADABLE;
	}
	elf->size = (uint64_t)st.st_size;
	head = elf->size < sizeof(elf->head) - 1 ? (size_t)elf->size : sizeof(elf->head) - 1;
	if (!read_at(elf, elf->head, head, 0))
		return ELF_UNREADABLE;
	elf->head_size = head;
	return ELF_OK;
}

/* Class, byte order, type and machine: the part that even a file of a foreign kind has. */
static enum elf_status read_identity(struct elf *elf)
{
	const unsigned char *head = (const unsigned char *)elf->head;

	if (elf->head_size < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
		return ELF_NOT_ELF;
	if (elf->head_size < EI_NIDENT) {
		problem(elf, "truncated: the ELF header is incomplete");
		return ELF_DAMAGED;
	}
	if ((head[EI_CLASS] != ELFCLASS32 && head[EI_CLASS] != ELFCLASS64) ||
		(head[EI_DATA] != ELFDATA2LSB && head[EI_DATA] != ELFDATA2MSB) || head[EI_VERSION] != EV_CURRENT) {
		problem(elf, "damaged: no known ELF class, byte order or version");
		return ELF_DAMAGED;
	}
	elf->wide = head[EI_CLASS] == ELFCLASS64;
	elf->big_endian = head[EI_DATA] == ELFDATA2MSB;
	if (elf->head_size < SIZE(elf, Ehdr)) {
		problem(elf, "truncated: the ELF header is incomplete");
		return ELF_DAMAGED;
	}
	elf->type = (uint16_t)FIELD(elf, head, Ehdr, e_type);
	elf->machine = (uint16_t)FIELD(elf, head, Ehdr, e_machine);
	return ELF_OK;
}

static bool read_segments(struct elf *elf)
{
	const unsigned char *head = (const unsigned char *)elf->head;
	uint64_t offset = FIELD(elf, head, Ehdr, e_phoff), count = FIELD(elf, head, Ehdr, e_phnum);
	size_t each = SIZE(elf, Phdr);
	unsigned char *table;

	if (count == 0)
		return true;
	if (FIELD(elf, head, Ehdr, e_phentsize) != each) {
		problem(elf, "damaged: program headers of a wrong size");
		return false;
	}
	table = read_table(elf, offset, count * each, "the program header table");
	if (!table)
		return false;
	elf->segments = calloc(count, sizeof(*elf->segments));
	if (!elf->segments) {
		problem(elf, "out of memory");
		free(table);
		return false;
	}
	elf->segment_count = count;
	for (size_t i = 0; i < count; i++) {
		const unsigned char *p = table + i * each;
		struct elf_segment *s = &elf->segments[i];

		s->type = FIELD(elf, p, Phdr, p_type);
		s->offset = FIELD(elf, p, Phdr, p_offset);
		s->address = FIELD(elf, p, Phdr, p_vaddr);
		s->file_size = FIELD(elf, p, Phdr, p_filesz);
		if (s->type != PT_LOAD || (s->offset <= elf->size && s->file_size <= elf->size - s->offset))
			continue;
		problem(elf, "truncated or damaged: segment %zu should end beyond the end of the file", i);
		free(table);
		return false;
	}
	free(table);
	return true;
}

static const struct elf_segment *segment(const struct elf *elf, uint32_t type)
{
	for (size_t i = 0; i < elf->segment_count; i++)
		if (elf->segments[i].type == type)
			return &elf->segments[i];
	return NULL;
}

static bool read_interpreter(struct elf *elf)
{
	const struct elf_segment *s = segment(elf, PT_INTERP);

	if (!s)
		return true;
	/* The kernel's own limits. */
	if (s->file_size < 2 || s->file_size > 4096) {
		problem(elf, "damaged: the name of the dynamic loader is no name");
		return false;
	}
	elf->interpreter = (char *)read_table(elf, s->offset, s->file_size, "the name of the dynamic loader");
	return elf->interpreter != NULL;
}

static bool read_strings(struct elf *elf)
{
	uint64_t address, offset, size;

	if (!elf_dynamic(elf, DT_STRTAB, &address) || !elf_dynamic(elf, DT_STRSZ, &size))
		return true;
	if (!offset_of(elf, address, &offset)) {
		problem(elf, "damaged: the dynamic strings are in no segment");
		return false;
	}
	elf->strings = (char *)read_table(elf, offset, size, "the dynamic string table");
	elf->strings_size = elf->strings ? (size_t)size : 0;
	return elf->strings != NULL;
}

static bool read_dynamic(struct elf *elf)
{
	const struct elf_segment *s = segment(elf, PT_DYNAMIC);
	size_t each = SIZE(elf, Dyn), count;
	unsigned char *table;

	if (!s)
		return true;
	elf->has_dynamic = true;
	table = read_table(elf, s->offset, s->file_size, "the dynamic section");
	if (!table)
		return false;
	count = (size_t)(s->file_size / each);
	elf->dynamic = calloc(count + 1, sizeof(*elf->dynamic));
	if (!elf->dynamic) {
		problem(elf, "out of memory");
		free(table);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct elf_entry *entry = &elf->dynamic[i];

		entry->tag = FIELD(elf, table + i * each, Dyn, d_tag);
		entry->value = FIELD(elf, table + i * each, Dyn, d_un.d_val);
		if (entry->tag == DT_NULL)
			break;
		elf->dynamic_count++;
	}
	free(table);
	return read_strings(elf);
}

/* Go's linker leaves a note of owner "Go" and type 4, its build ID, in every program; strip(1) leaves it there. */
static bool has_go_note(struct elf *elf)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct elf_segment *s = &elf->segments[i];
		unsigned char *notes;
		uint64_t at = 0;
		bool found = false;

		if (s->type != PT_NOTE || s->file_size < SIZE(elf, Nhdr) + 4)
			continue;
		notes = read_table(elf, s->offset, s->file_size, "a note");
		while (notes && !found && s->file_size - at >= SIZE(elf, Nhdr) + 4) {
			const unsigned char *p = notes + at;
			uint64_t name = FIELD(elf, p, Nhdr, n_namesz), text = FIELD(elf, p, Nhdr, n_descsz);
			uint64_t length = SIZE(elf, Nhdr) + ((name + 3) & ~(uint64_t)3) + ((text + 3) & ~(uint64_t)3);

			found = name == 4 && FIELD(elf, p, Nhdr, n_type) == 4 &&
				memcmp(p + SIZE(elf, Nhdr), "Go\0", 4) == 0;
			if (length > s->file_size - at)
				break;
			at += length;
		}
		free(notes);
		if (found)
			return true;
	}
	return false;
}

/*
 * The section headers, which a running program does not need and a stripped one may lack: NULL is no damage.
 * `problem` is left as it was.
 */
static unsigned char *read_sections(struct elf *elf, size_t *ret_count)
{
	const unsigned char *head = (const unsigned char *)elf->head;
	uint64_t offset = FIELD(elf, head, Ehdr, e_shoff), count = FIELD(elf, head, Ehdr, e_shnum);
	unsigned char *table;

	if (offset == 0 || count == 0 || FIELD(elf, head, Ehdr, e_shentsize) != SIZE(elf, Shdr))
		return NULL;
	table = read_table(elf, offset, count * SIZE(elf, Shdr), "the section header table");
	elf->problem[0] = '\0';
	if (table)
		*ret_count = (size_t)count;
	return table;
}

static bool has_go_section(struct elf *elf)
{
	const unsigned char *head = (const unsigned char *)elf->head, *p;
	uint64_t names_index = FIELD(elf, head, Ehdr, e_shstrndx), names_size;
	size_t count = 0, each = SIZE(elf, Shdr);
	unsigned char *sections = read_sections(elf, &count), *names = NULL;
	bool found = false;

	if (sections && names_index < count) {
		p = sections + names_index * each;
		names_size = FIELD(elf, p, Shdr, sh_size);
		names = read_table(elf, FIELD(elf, p, Shdr, sh_offset), names_size, "the section names");
		elf->problem[0] = '\0';
	}
	for (size_t i = 0; names && !found && i < count; i++) {
		uint64_t at = FIELD(elf, sections + i * each, Shdr, sh_name);

		found = at < names_size && (strcmp((char *)names + at, ".go.buildinfo") == 0 ||
						   strcmp((char *)names + at, ".note.go.buildid") == 0);
	}
	free(names);
	free(sections);
	return found;
}

enum elf_status elf_open(struct elf *elf, const char *path)
{
	enum elf_status status;

	memset(elf, 0, sizeof(*elf));
	status = open_regular(elf, path);
	if (status == ELF_OK)
		status = read_identity(elf);
	if (status != ELF_OK)
		return status;
	if (!read_segments(elf) || !read_interpreter(elf) || !read_dynamic(elf))
		return elf->error ? ELF_UNREADABLE : ELF_DAMAGED;
	elf->go = has_go_section(elf) || has_go_note(elf);
	elf->problem[0] = '\0';
	return ELF_OK;
}

void elf_close(struct elf *elf)
{
	if (elf->fd >= 0)
		close(elf->fd);
	free(elf->interpreter);
	free(elf->segments);
	free(elf->dynamic);
	free(elf->strings);
	memset(elf, 0, sizeof(*elf));
	elf->fd = -1;
}

bool elf_dynamic(const struct elf *elf, uint64_t tag, uint64_t *ret_value)
{
	for (size_t i = 0; i < elf->dynamic_count; i++) {
		if (elf->dynamic[i].tag != tag)
			continue;
		if (ret_value)
			*ret_value = elf->dynamic[i].value;
		return true;
	}
	return false;
}

const char *elf_string(const struct elf *elf, uint64_t offset)
{
	return offset < elf->strings_size ? elf->strings + offset : NULL;
}

const char *elf_dynamic_string(const struct elf *elf, uint64_t tag)
{
	uint64_t offset;

	return elf_dynamic(elf, tag, &offset) ? elf_string(elf, offset) : NULL;
}

/* The highest symbol index that a table of relocations names, plus one. */
static uint64_t symbols_in_relocations(struct elf *elf, uint64_t address, uint64_t size, bool addend)
{
	size_t each = addend ? SIZE(elf, Rela) : SIZE(elf, Rel);
	uint64_t offset, count = 0;
	unsigned char *table;

	if (!offset_of(elf, address, &offset))
		return 0;
	table = read_table(elf, offset, size, "the relocations");
	for (uint64_t i = 0; table && i < size / each; i++) {
		/* Rel and Rela begin alike. */
		uint64_t info = FIELD(elf, table + i * each, Rel, r_info), index = elf->wide ? info >> 32 : info >> 8;

		if (index + 1 > count)
			count = index + 1;
	}
	free(table);
	return count;
}

/* The same, asked of the GNU hash table, which knows the defined symbols only. */
static uint64_t symbols_in_gnu_hash(struct elf *elf, uint64_t address)
{
	uint64_t offset, buckets, first, bloom, at, index = 0;
	unsigned char *table;

	if (!offset_of(elf, address, &offset))
		return 0;
	table = read_table(elf, offset, 16, "the hash table");
	if (!table)
		return 0;
	buckets = number(elf, table, 4);
	first = number(elf, table + 4, 4);
	bloom = number(elf, table + 8, 4);
	free(table);
	at = offset + 16 + bloom * (elf->wide ? 8 : 4);
	table = read_table(elf, at, buckets * 4, "the hash table");
	if (!table)
		return 0;
	for (uint64_t i = 0; i < buckets; i++) {
		uint64_t bucket = number(elf, table + i * 4, 4);

		if (bucket > index)
			index = bucket;
	}
	free(table);
	if (index < first)
		return 0;
	/* The last chain ends at the first value whose lowest bit is set. Real chains have a handful of links. */
	at += buckets * 4;
	for (int links = 0; links < 65536; links++, index++) {
		unsigned char value[4];
		uint64_t where = at + (index - first) * 4;

		if (where > elf->size || elf->size - where < 4 || !read_at(elf, value, 4, where))
			return 0;
		if (number(elf, value, 4) & 1)
			return index + 1;
	}
	return 0;
}

/* Without section headers the number of dynamic symbols is written nowhere: it is what refers to them. */
static uint64_t count_by_references(struct elf *elf)
{
	uint64_t address, size, kind, offset, count = 0, more;

	if (elf_dynamic(elf, DT_HASH, &address) && offset_of(elf, address, &offset)) {
		unsigned char *table = read_table(elf, offset, 8, "the hash table");

		count = table ? number(elf, table + 4, 4) : 0;
		free(table);
		return count;
	}
	if (elf_dynamic(elf, DT_GNU_HASH, &address))
		count = symbols_in_gnu_hash(elf, address);
	if (elf_dynamic(elf, DT_RELA, &address) && elf_dynamic(elf, DT_RELASZ, &size)) {
		more = symbols_in_relocations(elf, address, size, true);
		count = more > count ? more : count;
	}
	if (elf_dynamic(elf, DT_REL, &address) && elf_dynamic(elf, DT_RELSZ, &size)) {
		more = symbols_in_relocations(elf, address, size, false);
		count = more > count ? more : count;
	}
	if (elf_dynamic(elf, DT_JMPREL, &address) && elf_dynamic(elf, DT_PLTRELSZ, &size) &&
		elf_dynamic(elf, DT_PLTREL, &kind)) {
		more = symbols_in_relocations(elf, address, size, kind == DT_RELA);
		count = more > count ? more : count;
	}
	return count;
}

static uint64_t count_symbols(struct elf *elf, uint64_t address)
{
	size_t sections_count = 0;
	unsigned char *sections = read_sections(elf, &sections_count);
	uint64_t count = 0;

	for (size_t i = 0; i < sections_count && count == 0; i++) {
		const unsigned char *p = sections + i * SIZE(elf, Shdr);

		if (FIELD(elf, p, Shdr, sh_type) == SHT_DYNSYM && FIELD(elf, p, Shdr, sh_addr) == address)
			count = FIELD(elf, p, Shdr, sh_size) / SIZE(elf, Sym);
	}
	free(sections);
	return count ? count : count_by_references(elf);
}

bool elf_each_symbol(struct elf *elf, void (*visit)(const struct elf_symbol *symbol, void *arg), void *arg)
{
	uint64_t address, offset, count;
	size_t each = SIZE(elf, Sym);
	unsigned char *table;

	if (!elf_dynamic(elf, DT_SYMTAB, &address))
		return true;
	if (!offset_of(elf, address, &offset)) {
		problem(elf, "damaged: the dynamic symbols are in no segment");
		return false;
	}
	count = count_symbols(elf, address);
	if (count > TABLE_MAX / each)
		count = TABLE_MAX; /* so that the next line names it */
	elf->problem[0] = '\0';
	table = read_table(elf, offset, count * each, "the dynamic symbol table");
	if (!table)
		return false;
	/* The first symbol is the empty one. */
	for (uint64_t i = 1; i < count; i++) {
		const unsigned char *p = table + i * each;
		struct elf_symbol symbol = {
			.name = elf_string(elf, FIELD(elf, p, Sym, st_name)),
			.defined = FIELD(elf, p, Sym, st_shndx) != SHN_UNDEF,
		};

		/* A local symbol is neither asked of others nor offered to them. */
		if (symbol.name && symbol.name[0] && FIELD(elf, p, Sym, st_info) >> 4 != STB_LOCAL)
			visit(&symbol, arg);
	}
	free(table);
	return true;
}

const char *elf_machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {
		{EM_X86_64, "x86-64"},
		{EM_386, "i386"},
		{EM_AARCH64, "aarch64"},
		{EM_ARM, "arm"},
		{EM_RISCV, "riscv"},
		{EM_PPC64, "ppc64"},
		{EM_S390, "s390"},
		{EM_MIPS, "mips"},
		{EM_SPARCV9, "sparc64"},
	};
	static char other[24];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	(void)snprintf(other, sizeof(other), "machine %u", machine);
	return other;
}
