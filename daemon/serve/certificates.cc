// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/certificates.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

#include "daemon/schedule/request.h"
#include "daemon/serve/access.h"
#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

using config::NamedFile;

Status wrong(const NamedFile& file, const std::string& what) {
  return invalid_argument(file.mark.to_string() + ": '" + file.path + "' " + what);
}

Result<std::string> read(const NamedFile& file) {
  constexpr off_t kMaxBytes = 1 << 20;
  struct stat info {};
  if (::stat(file.path.c_str(), &info) != 0)
    return wrong(file, std::string("cannot be read: ") + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return wrong(file, "cannot be read: not a regular file");
  if (info.st_size > kMaxBytes) return wrong(file, "is larger than 1 MiB");
  errno = 0;
  std::ifstream stream(file.path, std::ios::binary);
  std::ostringstream content;
  if (info.st_size > 0) content << stream.rdbuf();
  if (!stream) return wrong(file, std::string("cannot be read: ") + std::strerror(errno));
  return content.str();
}

struct Free {
  void operator()(BIO* bio) const { ::BIO_free(bio); }
  void operator()(X509* certificate) const { ::X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { ::EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

// A view of `text`, below a MiB.
Bio view(const std::string& text) {
  return Bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// All of a file, in its order. Empty: there is none, or one that is malformed.
std::vector<Certificate> parse(const std::string& pem) {
  std::vector<Certificate> all;
  const Bio bio = view(pem);
  while (X509* const one = ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    all.emplace_back(one);
  if (ERR_GET_REASON(::ERR_peek_last_error()) != PEM_R_NO_START_LINE) all.clear();
  ::ERR_clear_error();
  return all;
}

std::string subject(const X509& certificate) {
  const Bio bio(::BIO_new(::BIO_s_mem()));
  ::X509_NAME_print_ex(bio.get(), ::X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = ::BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(std::max(0L, size))};
}

// Of a time that cannot be read, the epoch.
time_t seconds(const ASN1_TIME* time) {
  tm utc{};
  return ::ASN1_TIME_to_tm(time, &utc) == 1 ? ::timegm(&utc) : 0;
}

std::string day(time_t time) {
  tm utc{};
  std::array<char, 32> text{};
  ::gmtime_r(&time, &utc);
  return {text.data(), std::strftime(text.data(), text.size(), "%F %T UTC", &utc)};
}

void check_time(const NamedFile& file, const std::vector<Certificate>& certificates,
                std::vector<std::string>& warnings) {
  const time_t now = std::time(nullptr);
  for (const Certificate& one : certificates) {
    const time_t begin = seconds(::X509_get0_notBefore(one.get()));
    const time_t end = seconds(::X509_get0_notAfter(one.get()));
    if (begin <= now && now <= end) continue;
    warnings.push_back(wrong(file, "has a certificate of " + subject(*one) +
                                       (now > end ? ", which expired on " + day(end)
                                                  : ", which is not valid before " + day(begin)))
                           .message());
  }
}

Result<std::string> read_certificates(const NamedFile& file, std::vector<std::string>& warnings) {
  INFERD_ASSIGN_OR_RETURN(std::string pem, read(file));
  const std::vector<Certificate> certificates = parse(pem);
  if (certificates.empty()) return wrong(file, "holds no certificate in PEM format");
  check_time(file, certificates, warnings);
  return pem;
}

// Null: there is none in it, or one with a password, which then sets `asked`.
Key parse_key(const std::string& pem, bool& asked) {
  const auto ask = [](char*, int, int, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
  };
  Key key(::PEM_read_bio_PrivateKey(view(pem).get(), nullptr, ask, &asked));
  ::ERR_clear_error();
  return key;
}

Result<std::string> read_key(const NamedFile& file, std::vector<std::string>& warnings) {
  INFERD_ASSIGN_OR_RETURN(std::string pem, read(file));
  bool asked = false;
  const Key key = parse_key(pem, asked);
  if (asked) return wrong(file, "has a password; the daemon needs a key without one");
  if (key == nullptr) return wrong(file, "holds no private key in PEM format");
  struct stat info {};
  if (::stat(file.path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0)
    warnings.push_back(wrong(file, "is a key that every user can read; chmod o-r it").message());
  return pem;
}

// Whether the key is that of the first certificate.
Status check_pair(const config::TlsConfig& config, const TlsFiles& files) {
  bool asked = false;
  const std::vector<Certificate> certificates = parse(files.certificate);
  const Key key = parse_key(files.key, asked);
  const bool is_pair = ::X509_check_private_key(certificates.front().get(), key.get()) == 1;
  ::ERR_clear_error();
  if (is_pair) return ok_status();
  return wrong(config.key, "is not the key of '" + config.certificate.path + "'");
}

void check_listener(const config::Listener& listener, std::string& errors) {
  const auto add = [&](const Status& status) {
    if (!status.ok()) errors += (errors.empty() ? "" : "\n") + status.message();
  };
  add(Access::create(listener.allow).status());
  if (listener.tls) add(read_tls_files(*listener.tls).status());
}

}  // namespace

Result<TlsFiles> read_tls_files(const config::TlsConfig& config,
                                std::vector<std::string>& warnings) {
  TlsFiles files;
  INFERD_ASSIGN_OR_RETURN(files.certificate, read_certificates(config.certificate, warnings));
  INFERD_ASSIGN_OR_RETURN(files.key, read_key(config.key, warnings));
  INFERD_RETURN_IF_ERROR(check_pair(config, files));
  if (!config.client_ca.path.empty()) {
    INFERD_ASSIGN_OR_RETURN(files.client_ca, read_certificates(config.client_ca, warnings));
  }
  return files;
}

Result<TlsFiles> read_tls_files(const config::TlsConfig& config) {
  std::vector<std::string> warnings;
  Result<TlsFiles> files = read_tls_files(config, warnings);
  for (const std::string& warning : warnings) telemetry::log(LogLevel::kWarning, warning);
  return files;
}

Result<WatchedTls> WatchedTls::open(const config::TlsConfig& config, TlsFiles& files) {
  WatchedTls watched(config);
  watched.read_ = watched.stamps();  // before reading: what changes meanwhile is read again
  INFERD_ASSIGN_OR_RETURN(files, read_tls_files(config));
  return watched;
}

std::array<WatchedTls::Stamp, 3> WatchedTls::stamps() const {
  std::array<Stamp, 3> stamps{};
  const std::array files = {&config_.certificate, &config_.key, &config_.client_ca};
  for (size_t i = 0; i < files.size(); ++i) {
    struct stat info {};
    if (files[i]->path.empty() || ::stat(files[i]->path.c_str(), &info) != 0) continue;
    stamps[i] = {info.st_dev, info.st_ino, info.st_size,
                 info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
  }
  return stamps;
}

std::optional<TlsFiles> WatchedTls::renewed() {
  constexpr int64_t kEveryNs = 1'000'000'000;
  const int64_t now = schedule::now_ns();
  if (now - looked_ns_ < kEveryNs) return std::nullopt;
  looked_ns_ = now;
  const auto found = stamps();
  if (found == read_) return std::nullopt;
  read_ = found;
  Result<TlsFiles> files = read_tls_files(config_);
  if (!files.ok()) {
    telemetry::log(
        LogLevel::kError,
        "a renewed certificate is not taken, the one before it stays: " + files.status().message());
    return std::nullopt;
  }
  telemetry::log(LogLevel::kInfo, "'" + config_.certificate.path +
                                      "' and what belongs to it are taken for new connections");
  return std::move(*files);
}

bool requires_client_certificate(const config::Listener& listener) {
  return listener.tls && !listener.tls->client_ca.path.empty() &&
         std::none_of(listener.allow.begin(), listener.allow.end(),
                      [](const config::AccessRule& rule) { return !rule.tokens.empty(); });
}

Status check_listeners(const config::ServerConfig& config) {
  std::string errors;
  for (const config::GrpcListener& listener : config.grpc) check_listener(listener, errors);
  for (const config::HttpListener& listener : config.http) check_listener(listener, errors);
  for (const config::LocalListener& listener : config.local) {
    if (const Status rules = Access::create(listener.allow).status(); !rules.ok())
      errors += (errors.empty() ? "" : "\n") + rules.message();
  }
  return errors.empty() ? ok_status() : invalid_argument(errors);
}

}  // namespace inferd::serve
