// SPDX-License-Identifier: Apache-2.0
//
// Triton's extensions "system shared memory" and "CUDA shared memory" over HTTP.
#include "daemon/serve/http/json_values.h"
#include "daemon/serve/http/routes.h"
#include "daemon/serve/no_cuda.h"

namespace inferd::serve {
namespace {

using Json = nlohmann::ordered_json;

// 200 without a body, or the error.
Response answer(const Status& status) { return status.ok() ? Response() : error_response(status); }

Response list(const SharedMemory& memory, const std::string& name) {
  const auto regions = memory.list(name);
  if (!regions.ok()) return error_response(regions.status());
  Json all = Json::array();
  for (const SharedMemory::Region& region : *regions) {
    all.push_back({{"name", region.name},
                   {"key", region.key},
                   {"offset", region.offset},
                   {"byte_size", region.byte_size}});
  }
  return json_response(all);
}

Status read_size(const nlohmann::json& body, const char* key, uint64_t& size) {
  const auto value = body.find(key);
  if (value == body.end()) return ok_status();
  if (!value->is_number_unsigned())
    return invalid_argument(std::string("'") + key + "' must be a whole number from 0 on");
  size = value->get<uint64_t>();
  return ok_status();
}

// {"key": text, "offset": number, may be left out, "byte_size": number}
Status add(SharedMemory& memory, const std::string& name, std::string_view text) {
  INFERD_ASSIGN_OR_RETURN(const nlohmann::json body, object_in(text));
  SharedMemory::Region region;
  region.name = name;
  const auto key = body.find("key");
  if (key == body.end() || !key->is_string())
    return invalid_argument("'key' is missing: the name of the object, a text");
  region.key = key->get<std::string>();
  INFERD_RETURN_IF_ERROR(read_size(body, "offset", region.offset));
  INFERD_RETURN_IF_ERROR(read_size(body, "byte_size", region.byte_size));
  return memory.add(region);
}

Response remove(SharedMemory& memory, const std::string& name) {
  name.empty() ? memory.remove_all() : memory.remove(name);
  return {};
}

Response list_cuda(const std::string& name) {
  const Status known = check_cuda_region(name);
  return known.ok() ? json_response(Json::array()) : error_response(known);
}

}  // namespace

std::vector<Route> shared_memory_routes(const Backend& backend) {
  SharedMemory& memory = backend.memory;
  const SyncHandler status = [&](const Request& r) { return list(memory, r.capture("region")); };
  const SyncHandler enter = [&](const Request& r) {
    return answer(add(memory, r.capture("region"), r.body));
  };
  const SyncHandler leave = [&](const Request& r) { return remove(memory, r.capture("region")); };
  const SyncHandler cuda_status = [](const Request& r) { return list_cuda(r.capture("region")); };
  const SyncHandler cuda_enter = [](const Request& r) {
    return answer(register_cuda_region(r.capture("region")));
  };
  const SyncHandler cuda_leave = [](const Request&) { return Response(); };
  constexpr Method kGet = Method::kGet;
  constexpr Method kPost = Method::kPost;
  constexpr Needs kAny = Needs::kAnyRole;
  constexpr Needs kInfer = Needs::kInfer;
  return {
      {kGet, "/v2/systemsharedmemory/status", kAny, status},
      {kGet, "/v2/systemsharedmemory/region/{region}/status", kAny, status},
      {kPost, "/v2/systemsharedmemory/region/{region}/register", kInfer, enter},
      {kPost, "/v2/systemsharedmemory/region/{region}/unregister", kInfer, leave},
      {kPost, "/v2/systemsharedmemory/unregister", kInfer, leave},
      {kGet, "/v2/cudasharedmemory/status", kAny, cuda_status},
      {kGet, "/v2/cudasharedmemory/region/{region}/status", kAny, cuda_status},
      {kPost, "/v2/cudasharedmemory/region/{region}/register", kInfer, cuda_enter},
      {kPost, "/v2/cudasharedmemory/region/{region}/unregister", kInfer, cuda_leave},
      {kPost, "/v2/cudasharedmemory/unregister", kInfer, cuda_leave},
  };
}

}  // namespace inferd::serve
