// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/host_service.h"

#include "daemon/serve/grpc/asked.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {

grpc::Status HostService::ShowHost(grpc::ServerContext* context,
                                   const inferd::v1::ShowHostRequest* request,
                                   inferd::v1::Host* response) {
  return to_grpc(calls_.show(asked(*context, callers_), *request, *response));
}

grpc::Status HostService::ListClients(grpc::ServerContext* context,
                                      const inferd::v1::ListClientsRequest* request,
                                      inferd::v1::ListClientsResponse* response) {
  return to_grpc(calls_.list_clients(asked(*context, callers_), *request, *response));
}

grpc::Status HostService::TailLog(grpc::ServerContext* context,
                                  const inferd::v1::TailLogRequest* request,
                                  grpc::ServerWriter<inferd::v1::LogLine>* writer) {
  return to_grpc(calls_.tail_log(asked(*context, callers_), *request, answers_by(*writer)));
}

}  // namespace inferd::serve
