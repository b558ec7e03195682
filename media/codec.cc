// SPDX-License-Identifier: Apache-2.0
//
// JPEG through libjpeg, PNG through libpng, BMP here: reading uncompressed BMP is too little to
// want a library. Both libraries report errors by longjmp; each is wrapped in one function that has
// nothing to destroy.
#include <cstdio>
// jpeglib.h needs FILE.
#include <jpeglib.h>
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "media/file.h"
#include "media/image.h"

namespace inferd::media {
namespace {

Status check_size(int64_t width, int64_t height, int64_t max_pixels) {
  constexpr int64_t kMaxSide = 1 << 16;
  if (width < 1 || height < 1) return data_loss("the picture has no pixels");
  if (width > kMaxSide || height > kMaxSide || width * height > max_pixels) {
    return resource_exhausted("the picture has " + std::to_string(width) + "x" +
                              std::to_string(height) + " pixels, more than the limit");
  }
  return ok_status();
}

Image make_image(int64_t width, int64_t height) {
  return {static_cast<int>(width), static_cast<int>(height),
          std::vector<uint8_t>(static_cast<size_t>(width * height) * 3)};
}

struct JpegError {
  jpeg_error_mgr manager;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void on_jpeg_error(j_common_ptr info) {
  auto* error = reinterpret_cast<JpegError*>(info->err);
  (*info->err->format_message)(info, error->message);
  std::longjmp(error->jump, 1);
}
void on_jpeg_message(j_common_ptr) {}

// Warnings mean damaged data: a truncated file is refused, not half shown.
bool decode_jpeg_rows(jpeg_decompress_struct& info, JpegError& error, Image& image, Status& size) {
  if (setjmp(error.jump) != 0) return false;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = image.row(static_cast<int>(info.output_scanline));
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  if (info.err->num_warnings != 0) {
    size = data_loss("the JPEG data is truncated or corrupt");
    return true;
  }
  return true;
}

bool read_jpeg_header(jpeg_decompress_struct& info, JpegError& error,
                      std::span<const uint8_t> bytes) {
  if (setjmp(error.jump) != 0) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_calc_output_dimensions(&info);
  return true;
}

Result<Image> decode_jpeg(std::span<const uint8_t> bytes, int64_t max_pixels) {
  jpeg_decompress_struct info{};
  JpegError error{};
  info.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = on_jpeg_error;
  error.manager.output_message = on_jpeg_message;
  Image image;
  Status status;
  if (!read_jpeg_header(info, error, bytes)) {
    status = data_loss(error.message);
  } else if (status = check_size(info.output_width, info.output_height, max_pixels); status.ok()) {
    image = make_image(info.output_width, info.output_height);
    if (!decode_jpeg_rows(info, error, image, status)) status = data_loss(error.message);
  }
  jpeg_destroy_decompress(&info);
  if (!status.ok()) return status;
  return image;
}

Result<Image> decode_png(std::span<const uint8_t> bytes, int64_t max_pixels) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0)
    return data_loss(png.message);
  Status status = check_size(png.width, png.height, max_pixels);
  Image image;
  if (status.ok()) {
    png.format = PNG_FORMAT_RGB;
    image = make_image(png.width, png.height);
    const png_color black{0, 0, 0};
    if (png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr) == 0) {
      status = data_loss(png.message);
    }
  }
  png_image_free(&png);
  if (!status.ok()) return status;
  return image;
}

uint32_t little(std::span<const uint8_t> bytes, size_t at, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= static_cast<uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

// Rows are bottom-up unless the height is negative, padded to 4 bytes, pixels blue, green, red.
Result<Image> decode_bmp(std::span<const uint8_t> bytes, int64_t max_pixels) {
  constexpr size_t kHeader = 54;
  if (bytes.size() < kHeader) return data_loss("the BMP file ends inside its header");
  const size_t offset = little(bytes, 10, 4);
  const auto width = static_cast<int64_t>(static_cast<int32_t>(little(bytes, 18, 4)));
  const auto signed_height = static_cast<int64_t>(static_cast<int32_t>(little(bytes, 22, 4)));
  const uint32_t bits = little(bytes, 28, 2);
  const uint32_t compression = little(bytes, 30, 4);
  if ((bits != 24 && bits != 32) || compression != 0) {
    return invalid_argument("only uncompressed BMP with 24 or 32 bits per pixel is supported");
  }
  const int64_t height = std::abs(signed_height);
  INFERD_RETURN_IF_ERROR(check_size(width, height, max_pixels));
  const size_t pixel = bits / 8;
  const size_t stride = (static_cast<size_t>(width) * pixel + 3) / 4 * 4;
  const size_t needed = stride * static_cast<size_t>(height);
  if (offset > bytes.size() || needed > bytes.size() - offset)
    return data_loss("the BMP file is truncated");
  Image image = make_image(width, height);
  for (int64_t y = 0; y < height; ++y) {
    const int64_t source = signed_height > 0 ? height - 1 - y : y;
    const uint8_t* in = bytes.data() + offset + static_cast<size_t>(source) * stride;
    uint8_t* out = image.row(static_cast<int>(y));
    for (int64_t x = 0; x < width; ++x, in += pixel, out += 3) {
      out[0] = in[2];
      out[1] = in[1];
      out[2] = in[0];
    }
  }
  return image;
}

bool starts_with(std::span<const uint8_t> bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

bool compress_jpeg(const Image& image, int quality, jpeg_compress_struct& info, JpegError& error,
                   unsigned char** data, unsigned long* size) {
  if (setjmp(error.jump) != 0) return false;
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, data, size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    // libjpeg takes a pointer to non-const but only reads.
    JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  return true;
}

Result<std::vector<uint8_t>> encode_png(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<uint8_t> bytes(size);
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) ==
      0) {
    return internal_error(std::string("PNG encoding failed: ") + png.message);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

Result<Image> decode_image(std::span<const uint8_t> bytes, int64_t max_pixels) {
  if (starts_with(bytes, {0xFF, 0xD8, 0xFF})) return decode_jpeg(bytes, max_pixels);
  if (starts_with(bytes, {0x89, 'P', 'N', 'G'})) return decode_png(bytes, max_pixels);
  if (starts_with(bytes, {'B', 'M'})) return decode_bmp(bytes, max_pixels);
  return invalid_argument("not a JPEG, PNG or BMP picture");
}

Result<Image> read_image(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, read_file(path));
  Result<Image> image = decode_image(bytes);
  if (!image.ok()) return image.status().with_context(path);
  return image;
}

Result<std::vector<uint8_t>> encode_jpeg(const Image& image, int quality) {
  jpeg_compress_struct info{};
  JpegError error{};
  info.err = jpeg_std_error(&error.manager);
  error.manager.error_exit = on_jpeg_error;
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const bool ok = compress_jpeg(image, quality, info, error, &data, &size);
  jpeg_destroy_compress(&info);
  std::vector<uint8_t> bytes;
  if (ok) bytes.assign(data, data + size);
  std::free(data);
  if (!ok) return internal_error(std::string("JPEG encoding failed: ") + error.message);
  return bytes;
}

Status write_image(const std::string& path, const Image& image) {
  const std::string extension = std::filesystem::path(path).extension();
  if (extension != ".jpg" && extension != ".jpeg" && extension != ".png") {
    return invalid_argument("'" + path + "': pictures are written as .jpg or .png");
  }
  INFERD_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                          extension == ".png" ? encode_png(image) : encode_jpeg(image, 90));
  return write_file(path, std::as_bytes(std::span(bytes)));
}

}  // namespace inferd::media
