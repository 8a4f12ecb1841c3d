/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vulkan.h - what the files of the Vulkan engine share. Private to gpu/.
 */
#pragma once

#include <vulkan/vulkan.h>

#include "gpu.h"
#include "ops.h"

/* Every program reads and writes through the same bindings; the numbers are those of shaders/common.glsl. */
typedef enum {
    LK_BIND_X,
    LK_BIND_Y,
    LK_BIND_WEIGHT,
    LK_BIND_BIAS,
    LK_BIND_IN_SCALE,
    LK_BIND_IN_SHIFT,
    LK_BIND_OUT_SCALE,
    LK_BIND_NOISE,
    LK_BIND_ADD,
    LK_BIND_SLOPES,
    LK_N_BINDINGS
} LkBinding;

typedef enum {
    LK_PROGRAM_CONV_LANES,
    LK_PROGRAM_CONV_SHARED,
    LK_PROGRAM_TRANSPOSE_LANES,
    LK_PROGRAM_TRANSPOSE_SHARED,
    LK_PROGRAM_FIR_UP,
    LK_PROGRAM_LINEAR,
    LK_PROGRAM_POOL,
    LK_PROGRAM_SCALE_ADD,
    LK_PROGRAM_UPSAMPLE,
    LK_PROGRAM_TO_RGB,
    LK_PROGRAM_GATE,
    LK_PROGRAM_WARP,
    LK_PROGRAM_MOVE,
    LK_PROGRAM_BLEND,
    LK_PROGRAM_IMAGE_IN,
    LK_PROGRAM_IMAGE_OUT,
    LK_N_PROGRAMS
} LkProgram;

/* The push constants of every program (128 bytes at most); the order is that of shaders/common.glsl. */
typedef struct {
    guint32 in_c, in_h, in_w;
    guint32 out_c, out_h, out_w;
    guint32 present;          /* bit per LkBinding that is really there */
    guint32 act;              /* LkActivation */
    float slope, gain, clamp; /* clamp 0: none */
    guint32 first_channel;    /* of the output, where x or y is a part of CONV_UP's scratch */
    guint32 first_group;      /* added to the work group's z: a part of a split dispatch */
    guint32 stride;           /* of SCALE_ADD's add; WARP's phases; MOVE's and BLEND's pixels per cell */
    guint32 add_h, add_w;
    guint32 base[LK_N_BINDINGS]; /* first element in each binding */
} LkPush;
G_STATIC_ASSERT(sizeof(LkPush) <= 128);

/* Specialisation constants by number: 0..2 work group size, 3 bit per binding that holds halves, the rest are the
 * program's own. */
#define LK_MAX_SPEC    10
#define LK_SPEC_HALVES 3
#define LK_SPEC_OWN    4

typedef struct {
    LkProgram program;
    guint32 spec[LK_MAX_SPEC];
} LkPipelineKey;

/* One vkCmdDispatch. */
typedef struct {
    LkPipelineKey key;
    LkPush push;
    LkTensor tensors[LK_N_BINDINGS];
    guint32 groups[3]; /* may be split along z */
    guint64 flops;
} LkDispatch;

/* Which tiles suit a kind of device; see vulkan_tiles.c. */
typedef struct {
    const char *name;
    gboolean lanes;       /* conv_lanes and transpose_lanes instead of conv_shared and transpose_shared */
    guint32 conv_group;   /* invocations per group of the shared kind */
    guint32 channels[2];  /* its output channels per group: of small maps, of large ones */
    guint32 flat_group;   /* invocations per group of the programs that map an invocation to elements */
    guint32 reduce_group; /* invocations per group of those that sum: a power of two from 8 to 256 */
    guint64 submit_flops; /* most work in one submit */
} LkTiles;

/* Convolution weights are stored in tiles of so many output channels: [o / 8][i][k][o % 8]. */
enum { LK_WEIGHT_TILE = 8 };

struct _LkGpu {
    LkGpuInfo info;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    guint n_messages;
    VkPhysicalDevice physical;
    VkPhysicalDeviceLimits limits;
    VkPhysicalDeviceMemoryProperties memory_properties;
    VkDevice device;
    guint32 queue_family;
    guint32 timestamp_bits;
    VkQueue queue;
    VkCommandPool command_pool;
    const LkTiles *tiles;
    gboolean lost;

    VkDescriptorSetLayout set_layout;
    VkPipelineLayout pipeline_layout;
    VkPipelineCache pipeline_cache;
    char *cache_path; /* NULL: no disk cache */
    GHashTable *pipelines;
    VkShaderModule modules[LK_N_PROGRAMS][2];
    guint n_compiled;

    VkCommandBuffer copy_commands;
    VkFence fences[2];
    LkArena *staging;
    guint64 held, peak;
    guint64 max_held; /* of arenas and staging, for tests; else G_MAXUINT64 */
};

struct _LkArena {
    LkGpu *gpu;
    LkArenaUse use;
    gsize size;
    VkBuffer buffer;
    VkDeviceMemory memory;
    guint8 *mapped; /* LK_ARENA_HOST and staging */
};

/* ---- errors (vulkan_error.c) */
void lk_gpu_set_vk_error(LkGpu *gpu, GError **error, VkResult result, const char *what);

/* ---- instance and choice (vulkan_instance.c) */
typedef struct {
    VkPhysicalDevice physical;
    LkGpuInfo info;
} LkCandidate;
gboolean lk_instance_new(gboolean validate, guint *n_messages, VkInstance *instance,
                         VkDebugUtilsMessengerEXT *messenger, GError **error);
void lk_instance_free(VkInstance instance, VkDebugUtilsMessengerEXT messenger);
GPtrArray *lk_candidates_new(VkInstance instance, GError **error); /* of LkCandidate, best first */
const LkCandidate *lk_candidates_choose(GPtrArray *candidates, const char *selector, GError **error);
void lk_gpu_info_copy(LkGpuInfo *to, const LkGpuInfo *from);
void lk_gpu_info_clear(LkGpuInfo *info);
gboolean lk_has_shuffle(VkPhysicalDevice physical);
gboolean lk_queue_family_find(VkPhysicalDevice physical, guint32 *family, guint32 *timestamp_bits);

/* ---- memory (vulkan_memory.c) */
gboolean lk_gpu_wait(LkGpu *gpu, VkFence fence, GError **error);
gboolean lk_gpu_submit(LkGpu *gpu, VkCommandBuffer commands, VkFence fence, GError **error);
void lk_commands_begin_barrier(VkCommandBuffer commands);

/* ---- programs (vulkan_program.c, vulkan_cache.c) */
gboolean lk_programs_init(LkGpu *gpu, LkGpuFlags flags, GError **error);
void lk_programs_clear(LkGpu *gpu);
VkPipeline lk_pipeline_get(LkGpu *gpu, const LkPipelineKey *key, GError **error);
const char *lk_shaders_digest(void);
char *lk_cache_path(const VkPhysicalDeviceProperties *properties, const guint8 *device_uuid);
GBytes *lk_cache_read(const char *path);
void lk_cache_write(const char *path, gconstpointer data, gsize size);

/* ---- from ops to dispatches (vulkan_lower.c) */
void lk_op_lower(const LkGpu *gpu, const LkOp *op, GArray *dispatches);

/* ---- tiles (vulkan_tiles.c) */
const LkTiles *lk_tiles_for(const LkGpuInfo *info, gboolean has_shuffle);
