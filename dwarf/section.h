/* section: the bytes of a section, uncompressed if need be (SHF_COMPRESSED: gABI, "Section Compression"; and
 * GNU's older .zdebug_*). */
#ifndef REEL_DWARF_SECTION_H
#define REEL_DWARF_SECTION_H

#include "base/error.h"
#include "dwarf/elf.h"

#include <stddef.h>
#include <stdint.h>

struct section_bytes {
    const uint8_t *data; /* in the image, or in `owned` */
    size_t size;         /* bytes */
    uint64_t vaddr;      /* as linked; 0 when it is not loaded */
    void *owned;         /* the uncompressed bytes, or NULL */
};

/* The section of this name (".debug_frame"; ".zdebug_frame" is looked for, too). ERROR_NOT_FOUND when there
 * is none, or it has no bytes in this file; ERROR_BAD_DATA when they are not all there or cannot be
 * uncompressed; ERROR_UNSUPPORTED when the compression is not known. The image must outlive it. */
struct error *section_bytes_init(struct section_bytes *section, const struct elf_image *image,
                                 const char *name);
void section_bytes_deinit(struct section_bytes *section);

#endif
