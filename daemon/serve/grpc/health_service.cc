// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/health_service.h"

namespace inferd::serve {

// One stream: writes the status whenever it differs from the last one written. gRPC allows one
// write at a time, and finishing once. All fields by the service's mutex_; gRPC calls back on
// threads of its own, never from within StartWrite or Finish.
class HealthService::Watcher final : public grpc::ServerWriteReactor<Response> {
 public:
  Watcher(HealthService& service, std::string name) : service_(service), name_(std::move(name)) {
    const std::lock_guard lock(service_.mutex_);
    service_.watchers_.insert(this);
    update();
  }

  // By mutex_.
  void update() {
    if (writing_ || finished_) return;
    const ServingStatus now = service_.status_of(name_);
    if (now != message_.status() || !told_) {
      message_.set_status(now);
      told_ = true;
      writing_ = true;
      StartWrite(&message_);
    } else if (service_.ending_) {
      finish();
    }
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(service_.mutex_);
    writing_ = false;
    ok ? update() : finish();
  }
  void OnCancel() override {
    const std::lock_guard lock(service_.mutex_);
    finish();
  }
  void OnDone() override {
    {
      const std::lock_guard lock(service_.mutex_);
      service_.watchers_.erase(this);
    }
    delete this;
  }

 private:
  void finish() {
    if (finished_) return;
    finished_ = true;
    Finish(grpc::Status::OK);
  }

  HealthService& service_;
  const std::string name_;
  Response message_;
  bool told_ = false, writing_ = false, finished_ = false;
};

void HealthService::set(const std::string& service, bool serving) {
  const std::lock_guard lock(mutex_);
  serving_[service] = serving;
  for (Watcher* watcher : watchers_) watcher->update();
}

void HealthService::not_serving() {
  const std::lock_guard lock(mutex_);
  shut_down_ = true;
  for (Watcher* watcher : watchers_) watcher->update();
}

void HealthService::end_watches() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  for (Watcher* watcher : watchers_) watcher->update();
}

HealthService::ServingStatus HealthService::status_of(const std::string& service) const {
  const auto known = serving_.find(service);
  if (known == serving_.end()) return Response::SERVICE_UNKNOWN;
  return known->second && !shut_down_ ? Response::SERVING : Response::NOT_SERVING;
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const Request* request, Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  {
    const std::lock_guard lock(mutex_);
    response->set_status(status_of(request->service()));
  }
  const bool known = response->status() != Response::SERVICE_UNKNOWN;
  reactor->Finish(known
                      ? grpc::Status::OK
                      : grpc::Status(grpc::StatusCode::NOT_FOUND,
                                     "there is no service or model '" + request->service() + "'"));
  return reactor;
}

grpc::ServerWriteReactor<HealthService::Response>* HealthService::Watch(
    grpc::CallbackServerContext*, const Request* request) {
  return new Watcher(*this, request->service());
}

}  // namespace inferd::serve
