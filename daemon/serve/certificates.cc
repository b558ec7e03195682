// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/certificates.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <span>
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

gnutls_datum_t datum(const std::string& text) {
  // The library does not write to it.
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

// All certificates of one file.
class Certificates {
 public:
  Certificates() = default;
  ~Certificates() {
    for (gnutls_x509_crt_t one : all()) gnutls_x509_crt_deinit(one);
    gnutls_free(list_);
  }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  // False: there is none, or one that is malformed.
  bool parse(const std::string& pem) {
    const gnutls_datum_t text = datum(pem);
    return gnutls_x509_crt_list_import2(&list_, &size_, &text, GNUTLS_X509_FMT_PEM, 0) >= 0 &&
           size_ > 0;
  }
  std::span<gnutls_x509_crt_t> all() const { return {list_, size_}; }

 private:
  gnutls_x509_crt_t* list_ = nullptr;
  unsigned size_ = 0;
};

std::string subject(gnutls_x509_crt_t certificate) {
  std::array<char, 256> name{};
  size_t size = name.size();
  const bool named = gnutls_x509_crt_get_dn(certificate, name.data(), &size) == 0;
  return named ? std::string(name.data(), size) : "(a long name)";
}

std::string day(time_t time) {
  tm utc{};
  std::array<char, 32> text{};
  ::gmtime_r(&time, &utc);
  return {text.data(), std::strftime(text.data(), text.size(), "%F %T UTC", &utc)};
}

void check_time(const NamedFile& file, const Certificates& certificates,
                std::vector<std::string>& warnings) {
  const time_t now = std::time(nullptr);
  for (gnutls_x509_crt_t one : certificates.all()) {
    const time_t begin = gnutls_x509_crt_get_activation_time(one);
    const time_t end = gnutls_x509_crt_get_expiration_time(one);
    if (begin <= now && now <= end) continue;
    warnings.push_back(wrong(file, "has a certificate of " + subject(one) +
                                       (now > end ? ", which expired on " + day(end)
                                                  : ", which is not valid before " + day(begin)))
                           .message());
  }
}

Result<std::string> read_certificates(const NamedFile& file, std::vector<std::string>& warnings) {
  INFERD_ASSIGN_OR_RETURN(std::string pem, read(file));
  Certificates certificates;
  if (!certificates.parse(pem)) return wrong(file, "holds no certificate in PEM format");
  check_time(file, certificates, warnings);
  return pem;
}

Result<std::string> read_key(const NamedFile& file, std::vector<std::string>& warnings) {
  INFERD_ASSIGN_OR_RETURN(std::string pem, read(file));
  gnutls_x509_privkey_t key = nullptr;
  if (gnutls_x509_privkey_init(&key) != 0) return resource_exhausted("no memory for a key");
  const gnutls_datum_t text = datum(pem);
  const int code = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM, nullptr, 0);
  gnutls_x509_privkey_deinit(key);
  if (code == GNUTLS_E_DECRYPTION_FAILED)
    return wrong(file, "has a password; the daemon needs a key without one");
  if (code != 0) return wrong(file, "holds no private key in PEM format");
  struct stat info {};
  if (::stat(file.path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0)
    warnings.push_back(wrong(file, "is a key that every user can read; chmod o-r it").message());
  return pem;
}

// Whether the key is that of the first certificate.
Status check_pair(const config::TlsConfig& config, const TlsFiles& files) {
  gnutls_certificate_credentials_t pair = nullptr;
  if (gnutls_certificate_allocate_credentials(&pair) != 0)
    return resource_exhausted("no memory for a certificate");
  const gnutls_datum_t certificate = datum(files.certificate);
  const gnutls_datum_t key = datum(files.key);
  const int code =
      gnutls_certificate_set_x509_key_mem(pair, &certificate, &key, GNUTLS_X509_FMT_PEM);
  gnutls_certificate_free_credentials(pair);
  if (code >= 0) return ok_status();
  if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
    return wrong(config.key, "is not the key of '" + config.certificate.path + "'");
  return wrong(config.certificate,
               std::string("and its key cannot be used: ") + gnutls_strerror(code));
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
