#include "tracer/record_layout.h"

#include "tracer/agent/agent_abi.h"

#include <stdlib.h>

void record_layout_deinit(struct record_layout *layout) {
    free(layout->memory);
    *layout = (struct record_layout){0};
}

static bool touches(const struct layout_memory *piece, int64_t offset, uint32_t size) {
    return offset <= piece->offset + piece->size && piece->offset <= offset + size;
}

static void join(struct layout_memory *piece, int64_t offset, uint32_t size) {
    int64_t end = piece->offset + piece->size;
    if (offset + size > end)
        end = offset + size;
    if (offset < piece->offset)
        piece->offset = offset;
    piece->size = (uint32_t)(end - piece->offset);
}

static struct error *append(struct record_layout *layout, const struct layout_memory *piece) {
    struct layout_memory *grown = realloc(layout->memory, (layout->memory_count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    layout->memory = grown;
    grown[layout->memory_count++] = *piece;
    return NULL;
}

struct error *record_layout_add(struct record_layout *layout, enum layout_base base, unsigned reg,
                                int64_t offset, uint32_t size) {
    for (size_t i = 0; i < layout->memory_count; i++) {
        struct layout_memory *piece = &layout->memory[i];
        if (piece->base == base && piece->reg == reg && touches(piece, offset, size)) {
            join(piece, offset, size);
            return NULL;
        }
    }
    return append(layout, &(struct layout_memory){.base = base, .reg = reg, .offset = offset, .size = size});
}

struct error *record_layout_add_text(struct record_layout *layout, size_t piece, unsigned reg,
                                     uint32_t offset, uint32_t size) {
    if (piece == SIZE_MAX)
        layout->registers |= UINT64_C(1) << reg;
    return append(layout, &(struct layout_memory){.base = LAYOUT_TEXT,
                                                  .reg = piece == SIZE_MAX ? reg : LAYOUT_REGISTERS,
                                                  .offset = (int64_t)piece,
                                                  .pointer = offset,
                                                  .size = size});
}

static uint32_t rounded(uint32_t size) {
    return (size + 7) & ~7u;
}

struct error *record_layout_place(struct record_layout *layout, enum record_time time) {
    uint32_t at = time ? AGENT_RECORD_DATA : AGENT_RECORD_TIME, copied = 0;
    layout->time = time;
    for (unsigned reg = 0; reg < LAYOUT_REGISTERS; reg++)
        if (layout->registers >> reg & 1) {
            layout->register_at[reg] = (uint16_t)at;
            at += reg < LAYOUT_FIRST_VECTOR ? 8 : 16;
        }
    for (size_t i = 0; i < layout->memory_count; i++) {
        struct layout_memory *piece = &layout->memory[i];
        piece->at = at;
        if (piece->size > AGENT_RECORD_MOST || at > AGENT_RECORD_MOST)
            return error_new(ERROR_UNSUPPORTED, "its values are too large");
        if (piece->base == LAYOUT_TEXT)
            piece->pointer += piece->reg < LAYOUT_REGISTERS ? layout->register_at[piece->reg]
                                                            : layout->memory[piece->offset].at;
        else
            copied += piece->size;
        at += (piece->base == LAYOUT_TEXT ? AGENT_TEXT_HEAD : 0) + rounded(piece->size);
    }
    if (copied > LAYOUT_MEMORY_MOST || at > AGENT_RECORD_MOST)
        return error_new(ERROR_UNSUPPORTED, "its values are too large");
    layout->size = at;
    return NULL;
}
