/* encoding: how numbers are stored in DWARF sections, beyond what base/cursor.h reads: signed LEB128 (DWARF
 * 5, section 7.6) and the pointer encodings DW_EH_PE_* (Linux Standard Base Core, section 10.5). */
#ifndef REEL_DWARF_ENCODING_H
#define REEL_DWARF_ENCODING_H

#include "base/cursor.h"

#include <stdint.h>

/* Read a signed LEB128 number; more than 64 bits of number fail the cursor. */
int64_t encoding_sleb128(struct cursor *cursor);

/* Read an unsigned number of size bytes: 1, 2, 4 or 8; any other size fails the cursor. */
uint64_t encoding_unsigned(struct cursor *cursor, unsigned size);

#define ENCODING_INDIRECT 0x80 /* DW_EH_PE_indirect, which libdwarf's dwarf.h lacks */

/* Read a pointer of this encoding. vaddr: where the cursor's data begins as linked, for DW_EH_PE_pcrel and
 * DW_EH_PE_aligned. data_vaddr: what DW_EH_PE_datarel is relative to (.eh_frame_hdr: its own beginning).
 * DW_EH_PE_indirect is not followed: the result is the address of the pointer. DW_EH_PE_omit reads nothing
 * and gives 0. Unknown encodings, and textrel and funcrel, which nobody uses on x86-64, fail the cursor. */
uint64_t encoding_pointer(struct cursor *cursor, uint8_t encoding, uint64_t vaddr, uint64_t data_vaddr);

#endif
