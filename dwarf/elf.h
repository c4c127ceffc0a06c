/* elf: what reel needs from an ELF image before any DWARF: segments, function starts, symbols.
 *
 * All of it is read through cursors or libelf with bounds checked: an executable is untrusted input. */
#ifndef REEL_DWARF_ELF_H
#define REEL_DWARF_ELF_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_segment {
    uint32_t type, flags; /* PT_*, PF_* */
    uint64_t offset, vaddr, filesz, memsz, align;
};

/* An ELF file or memory image; initialise with elf_image_init(), the bytes are not owned and must outlive it.
 */
struct elf_image {
    const uint8_t *data;
    size_t size;
    uint16_t type; /* ET_EXEC, ET_DYN */
    uint64_t entry;
    struct elf_segment *segments;
    size_t segment_count;
};

/* Read the headers. ERROR_BAD_DATA when this is no ELF file or is damaged, ERROR_UNSUPPORTED when it is not
 * 64-bit x86-64 little endian. */
struct error *elf_image_init(struct elf_image *image, const void *data, size_t size, const char *name);
void elf_image_deinit(struct elf_image *image);

/* Virtual address (as linked) of a file offset that a PT_LOAD covers; false when none does. */
bool elf_offset_to_vaddr(const struct elf_image *image, uint64_t offset, uint64_t *ret);
/* The other way. */
bool elf_vaddr_to_offset(const struct elf_image *image, uint64_t vaddr, uint64_t *ret);

/* Bytes [offset, offset + size) of the file, or NULL when they are not all there. */
const void *elf_bytes(const struct elf_image *image, uint64_t offset, uint64_t size);

/* The first segment of this type (PT_*), or NULL. */
const struct elf_segment *elf_find_segment(const struct elf_image *image, uint32_t type);

/* An entry of the section table. Nothing of it is checked: get at its bytes with elf_bytes(). */
struct elf_section {
    uint32_t name, type;                 /* offset in the section names, SHT_* */
    uint64_t flags, vaddr, offset, size; /* SHF_*; as linked; in the file; bytes */
};

/* The number of sections; 0 when the section table is missing or not all there. */
size_t elf_section_count(const struct elf_image *image);
/* Section number index; false when there is no such section. */
bool elf_section(const struct elf_image *image, size_t index, struct elf_section *ret);
/* The first section of this name; false when there is none. */
bool elf_find_section(const struct elf_image *image, const char *name, struct elf_section *ret);

/* Where functions are known to start: virtual addresses as linked, sorted, each once, all of them in
 * elf_code_ranges(); fresh array for the caller to free. All of these together:
 * - the binary search table of .eh_frame_hdr (found through PT_GNU_EH_FRAME; Linux Standard Base Core,
 * section 10.6.2), or, without a table that can be used, the frames of .eh_frame;
 * - functions in .symtab and among the dynamic symbols;
 * - the entry point.
 * What is missing or damaged adds nothing and is no error: the caller then has less to go by.
 * (dwarf/starts.c) */
struct error *elf_function_starts(const struct elf_image *image, uint64_t **ret, size_t *ret_count);

/* A piece of a file that holds instructions. */
struct elf_range {
    uint64_t offset, vaddr, size; /* in the file; as linked; bytes */
};

/* Where the instructions are: the executable sections, or the executable segments when there is no (sound)
 * section table. The sections tell more: gold puts .rodata into the executable segment, too, and lld begins
 * segments within a page, so that an address as linked is best found with vaddr and offset of these. Every
 * range lies inside the bytes of the image, and together they are no larger. Fresh array for the caller to
 * free, in the order of the file. */
struct error *elf_code_ranges(const struct elf_image *image, struct elf_range **ret, size_t *ret_count);

/* Value of a defined dynamic symbol (PT_DYNAMIC: DT_SYMTAB, DT_STRTAB, DT_HASH or DT_GNU_HASH), as linked.
 * ERROR_NOT_FOUND. */
struct error *elf_dynamic_symbol(const struct elf_image *image, const char *name, uint64_t *ret);

/* Value of a defined symbol of .symtab, of any type but thread-local: for programs that are linked
 * statically. ERROR_NOT_FOUND. (dwarf/object_symbol.c) */
struct error *elf_static_symbol(const struct elf_image *image, const char *name, uint64_t *ret);

/* A defined dynamic symbol. */
struct elf_symbol {
    const char *name;     /* in the image's bytes, NUL-terminated; not owned */
    uint64_t value, size; /* address as linked, bytes */
    uint8_t type;         /* STT_* */
};

/* All defined dynamic symbols that are addresses (not thread-local, not absolute): fresh array for the caller
 * to free. ERROR_NOT_FOUND when the image has no dynamic symbol table, ERROR_BAD_DATA when it is damaged. */
struct error *elf_dynamic_symbols(const struct elf_image *image, struct elf_symbol **ret, size_t *ret_count);

#endif
