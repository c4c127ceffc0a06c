/* debug_file: the debug sections of one ELF file, as checked bytes, unpacked when they are compressed. */
#ifndef REEL_DWARF_DEBUG_FILE_H
#define REEL_DWARF_DEBUG_FILE_H

#include "base/cursor.h"
#include "base/error.h"
#include "dwarf/arena.h"
#include "dwarf/elf.h"
#include "dwarf/section.h"

#include <sys/types.h>

enum debug_section {
    DEBUG_INFO,
    DEBUG_TYPES,
    DEBUG_ABBREV,
    DEBUG_STR,
    DEBUG_LINE_STR,
    DEBUG_STR_OFFSETS,
    DEBUG_ADDR,
    DEBUG_LINE,
    DEBUG_ARANGES,
    DEBUG_RANGES,
    DEBUG_RNGLISTS,
    DEBUG_LOC,
    DEBUG_LOCLISTS,
    DEBUG_CU_INDEX,
    DEBUG_TU_INDEX,
    DEBUG_SECTION_COUNT,
};

struct bytes {
    const uint8_t *data;
    size_t size;
};

struct module;
struct dwarf_unit;
struct handle;

struct debug_section_state {
    struct section_bytes section;
    bool loaded;
};

/* The units of a section, by offset. */
struct unit_list {
    struct dwarf_unit **units;
    size_t count;
    bool loaded;
};

struct debug_file {
    struct module *module; /* that the file belongs to */
    struct debug_file *next;
    char *path;
    dev_t device;
    ino_t inode;
    const uint8_t *data; /* mapped */
    size_t size;
    struct elf_image image;
    bool dwo; /* its sections are called .debug_info.dwo, ... */
    struct debug_section_state sections[DEBUG_SECTION_COUNT];
    struct debug_file *alternate; /* what .gnu_debugaltlink names */
    bool alternate_tried;
    struct unit_list info, types; /* (dwarf/unit.c) */
    struct array abbreviations;   /* struct abbreviations *, by offset (dwarf/abbreviation.c) */
    struct array lines;           /* struct line_table *, by offset (dwarf/line.c) */
    struct handle *handle;        /* of libdwarf (dwarf/handle.c) */
    bool handle_tried;
};

/* Map the file behind fd, which stays the caller's. ERROR_BAD_DATA, ERROR_UNSUPPORTED as elf_image_init(). */
struct error *debug_file_open(int fd, const char *path, bool dwo, struct debug_file **ret);
/* The same by path; ERROR_SYSTEM when it cannot be opened. */
struct error *debug_file_open_path(const char *path, bool dwo, struct debug_file **ret);
void debug_file_close(struct debug_file *file);

/* The bytes of a section; none when it is missing or damaged (its module is then told the problem). */
struct bytes debug_file_section(struct debug_file *file, enum debug_section section);
/* True if there is such a section, without reading it. */
bool debug_file_has(const struct debug_file *file, enum debug_section section);
const char *debug_section_name(enum debug_section section);

/* The build-id note (NT_GNU_BUILD_ID); false when there is none. */
bool elf_build_id(const struct elf_image *image, struct bytes *ret);

#endif
