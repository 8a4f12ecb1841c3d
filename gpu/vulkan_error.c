/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vulkan.h"

GQuark lk_gpu_error_quark(void)
{
    return g_quark_from_static_string("lk-gpu-error-quark");
}

static const char *result_name(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "out of memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "initialisation failed";
    case VK_ERROR_DEVICE_LOST:
        return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED:
        return "mapping memory failed";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "layer not installed";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "no compatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "too many objects";
    case VK_ERROR_FRAGMENTED_POOL:
        return "fragmented pool";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
        return "out of pool memory";
    default:
        return NULL;
    }
}

static LkGpuError result_code(VkResult result)
{
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
        return LK_GPU_ERROR_OUT_OF_MEMORY;
    case VK_ERROR_DEVICE_LOST:
        return LK_GPU_ERROR_DEVICE_LOST;
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return LK_GPU_ERROR_NO_DEVICE;
    default:
        return LK_GPU_ERROR_FAILED;
    }
}

void lk_gpu_set_vk_error(LkGpu *gpu, GError **error, VkResult result, const char *what)
{
    const char *name = result_name(result);
    const char *device = gpu != NULL && gpu->info.name != NULL ? gpu->info.name : "Vulkan";

    if (gpu != NULL && result == VK_ERROR_DEVICE_LOST)
        gpu->lost = TRUE;
    if (name != NULL)
        g_set_error(error, LK_GPU_ERROR, result_code(result), "%s: %s: %s", device, what, name);
    else
        g_set_error(error, LK_GPU_ERROR, result_code(result), "%s: %s: error %d", device, what, result);
}
