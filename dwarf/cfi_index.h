/* cfi_index: finds the FDE around an address in one section, by the linker's binary search table in
 * .eh_frame_hdr (LSB Core, section 10.6.2) where that can be used, else by an index that is built when it is
 * first needed.
 *
 * Addresses are as linked. A damaged section ends where it is damaged. */
#ifndef REEL_DWARF_CFI_INDEX_H
#define REEL_DWARF_CFI_INDEX_H

#include "base/error.h"
#include "dwarf/cfi.h"
#include "dwarf/elf.h"
#include "dwarf/section.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfi_index_entry {
    uint64_t low, high; /* [low, high) */
    size_t fde;         /* offset in the section */
};

/* A zeroed struct is the index of an empty section. */
struct cfi_index {
    struct cfi_section section;
    struct section_bytes bytes; /* what section's bytes lie in */
    /* The rows of .eh_frame_hdr: pairs of 4-byte numbers relative to header_vaddr (address, FDE), sorted;
     * NULL when there is no table that can be used. */
    const uint8_t *header_rows;
    size_t header_row_count;
    uint64_t header_vaddr;
    bool scanned; /* the entries are there */
    struct cfi_index_entry *entries;
    size_t count;
};

/* The .eh_frame of an image, found through its section table or through PT_GNU_EH_FRAME. ERROR_NOT_FOUND when
 * there is none, ERROR_BAD_DATA. The image must outlive the index. */
struct error *cfi_index_init_eh_frame(struct cfi_index *index, const struct elf_image *image);
/* The .debug_frame of an image; errors of section_bytes_init(). */
struct error *cfi_index_init_debug_frame(struct cfi_index *index, const struct elf_image *image);
void cfi_index_deinit(struct cfi_index *index);

/* The FDE around vaddr, and its CIE. ERROR_NOT_FOUND, and the errors of cfi_read_fde(). */
struct error *cfi_index_find(struct cfi_index *index, uint64_t vaddr, struct cfi_cie *ret_cie,
                             struct cfi_fde *ret_fde);

/* Make the entries: of all FDEs that can be read, sorted by low, without empty ones and those of functions
 * that the linker has thrown away (it leaves them at 0). ERROR_NO_MEMORY. */
struct error *cfi_index_scan(struct cfi_index *index);

#endif
