/* Copying out the bits of an object (see dwarf/location.h). x86-64 is little endian throughout: bit n of an
 * object is bit n % 8 of its byte n / 8, and so are those of registers, values and memory. */
#include "dwarf/location.h"

#include <string.h>

#define CHUNK_BYTES 64 /* of memory at a time, where a piece does not begin at a byte */
#define FIRST_X87   33 /* DWARF numbers of st0 to st7 */
#define LAST_X87    40

/* Copy count bits. */
static void copy_bits(const uint8_t *from, uint64_t from_bit, uint8_t *to, uint64_t to_bit, uint64_t count) {
    if (from_bit % 8 == 0 && to_bit % 8 == 0 && count >= 8) {
        memcpy(to + to_bit / 8, from + from_bit / 8, count / 8);
        uint64_t done = count / 8 * 8;
        from_bit += done;
        to_bit += done;
        count -= done;
    }
    for (uint64_t i = 0; i < count; i++) {
        unsigned bit = from[(from_bit + i) / 8] >> ((from_bit + i) % 8) & 1;
        to[(to_bit + i) / 8] |= (uint8_t)(bit << ((to_bit + i) % 8));
    }
}

static enum location_state read_memory(const struct location_piece *piece,
                                       const struct location_context *context, uint64_t count, uint8_t *ret,
                                       uint64_t at) {
    uint64_t address = piece->address + piece->bit_offset / 8, skip = piece->bit_offset % 8;
    if (!context->memory)
        return LOCATION_UNREADABLE;
    if (!skip && at % 8 == 0 && count % 8 == 0) {
        if (memory_read_exact(context->memory, address, ret + at / 8, count / 8))
            return LOCATION_OK;
        memset(ret + at / 8, 0, count / 8);
        return LOCATION_UNREADABLE;
    }
    while (count) {
        uint8_t chunk[CHUNK_BYTES];
        uint64_t some = count < sizeof(chunk) * 8 - skip ? count : sizeof(chunk) * 8 - skip;
        if (!memory_read_exact(context->memory, address, chunk, (skip + some + 7) / 8))
            return LOCATION_UNREADABLE;
        copy_bits(chunk, skip, ret, at, some);
        count -= some;
        at += some;
        address += sizeof(chunk); /* not the last round: the chunk was used to its end */
        skip = 0;
    }
    return LOCATION_OK;
}

/* Does a piece of count bits at bit offset lie within size bytes? */
static bool is_within(uint64_t offset, uint64_t count, uint64_t size) {
    return offset <= size * 8 && count <= size * 8 - offset;
}

/* What is in an x87 register is in its own form there: a float or double (gcc -mfpmath=387) is converted. */
static enum location_state read_x87(const struct location_piece *piece,
                                    const struct frame_registers *registers, uint64_t count, uint8_t *ret,
                                    uint64_t at) {
    long double extended;
    if (piece->bit_offset || !frame_register_bytes(registers, piece->reg, &extended, sizeof(extended)))
        return LOCATION_UNREADABLE;
    float single = (float)extended;
    double twice = (double)extended;
    if (count == sizeof(single) * 8)
        copy_bits((const uint8_t *)&single, 0, ret, at, count);
    else if (count == sizeof(twice) * 8)
        copy_bits((const uint8_t *)&twice, 0, ret, at, count);
    else if (count >= 80 && count <= sizeof(extended) * 8)
        copy_bits((const uint8_t *)&extended, 0, ret, at, count);
    else
        return LOCATION_UNREADABLE;
    return LOCATION_OK;
}

static enum location_state read_register(const struct location_piece *piece,
                                         const struct location_context *context, uint64_t count, uint8_t *ret,
                                         uint64_t at) {
    uint8_t bytes[64];
    if (!context->registers || !is_within(piece->bit_offset, count, sizeof(bytes)))
        return LOCATION_UNREADABLE;
    if (piece->reg >= FIRST_X87 && piece->reg <= LAST_X87)
        return read_x87(piece, context->registers, count, ret, at);
    size_t size = (piece->bit_offset + count + 7) / 8;
    if (!frame_register_bytes(context->registers, piece->reg, bytes, size))
        return LOCATION_UNREADABLE;
    copy_bits(bytes, piece->bit_offset, ret, at, count);
    return LOCATION_OK;
}

static enum location_state read_piece(const struct location_piece *piece,
                                      const struct location_context *context, uint64_t count, uint8_t *ret,
                                      uint64_t at) {
    switch (piece->kind) {
    case PIECE_MEMORY:
        return read_memory(piece, context, count, ret, at);
    case PIECE_REGISTER:
        return read_register(piece, context, count, ret, at);
    case PIECE_BYTES:
        if (!is_within(piece->bit_offset, count, piece->byte_count))
            return LOCATION_OPTIMIZED_OUT;
        copy_bits(piece->bytes, piece->bit_offset, ret, at, count);
        return LOCATION_OK;
    default:
        return LOCATION_OPTIMIZED_OUT;
    }
}

enum location_state location_read(const struct location *location, const struct location_context *context,
                                  uint64_t bit_size, void *ret) {
    enum location_state state = LOCATION_OK;
    uint64_t at = 0;
    memset(ret, 0, (bit_size + 7) / 8);
    for (size_t i = 0; i < location->count && at < bit_size; i++) {
        const struct location_piece *piece = &location->pieces[i];
        uint64_t left = bit_size - at;
        uint64_t count = piece->bit_size && piece->bit_size < left ? piece->bit_size : left;
        enum location_state piece_state = read_piece(piece, context, count, ret, at);
        if (piece_state > state)
            state = piece_state;
        at += count;
    }
    if (at < bit_size && state == LOCATION_OK)
        state = LOCATION_OPTIMIZED_OUT;
    return state;
}
