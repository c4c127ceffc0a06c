/* Symbols of .symtab by name: one linear search, since it is asked for once or twice. */
#include "dwarf/elf.h"

#include "base/cursor.h"

#include <elf.h>
#include <string.h>

/* Does the string at this offset of the table equal name? */
static bool is_named(const char *strings, uint64_t size, uint32_t offset, const char *name) {
    size_t length = strlen(name) + 1;
    return offset < size && size - offset >= length && memcmp(strings + offset, name, length) == 0;
}

struct error *elf_static_symbol(const struct elf_image *image, const char *name, uint64_t *ret) {
    struct elf_section table, names;
    const void *symbols = NULL, *strings = NULL;
    if (elf_find_section(image, ".symtab", &table) && elf_find_section(image, ".strtab", &names)) {
        symbols = elf_bytes(image, table.offset, table.size);
        strings = elf_bytes(image, names.offset, names.size);
    }
    struct cursor cursor;
    cursor_init(&cursor, symbols, symbols && strings ? (size_t)table.size : 0, "symbols");
    while (cursor_left(&cursor) >= sizeof(Elf64_Sym)) {
        uint32_t offset = cursor_u32(&cursor);
        uint8_t info = cursor_u8(&cursor);
        cursor_u8(&cursor); /* visibility */
        uint16_t section = cursor_u16(&cursor);
        uint64_t value = cursor_u64(&cursor);
        cursor_u64(&cursor); /* size */
        if (section == SHN_UNDEF || ELF64_ST_TYPE(info) == STT_TLS ||
            !is_named(strings, names.size, offset, name))
            continue;
        *ret = value;
        return NULL;
    }
    return error_new(ERROR_NOT_FOUND, "symbol %s: not there", name);
}
