// SPDX-License-Identifier: Apache-2.0
//
// A network camera to test with: colour bars and a tone by RTSP, at /h264 and /jpeg.
//
//   rtsp-server [PORT]    prints the port; serves until it is killed
#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <cstdio>
#include <string>

namespace {

void serve(GstRTSPServer* server, const char* path, const std::string& video) {
  GstRTSPMediaFactory* factory = gst_rtsp_media_factory_new();
  const std::string launch =
      "( videotestsrc is-live=true ! video/x-raw,format=RGB,width=320,height=240,framerate=15/1 ! "
      "videoconvert ! " +
      video +
      " name=pay1 audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! "
      "rtppcmapay name=pay0 )";
  gst_rtsp_media_factory_set_launch(factory, launch.c_str());
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  GstRTSPMountPoints* mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, path, factory);
  g_object_unref(mounts);
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  GstRTSPServer* server = gst_rtsp_server_new();
  gst_rtsp_server_set_address(server, "127.0.0.1");
  gst_rtsp_server_set_service(server, argc > 1 ? argv[1] : "0");
  serve(server, "/h264", "openh264enc bitrate=1000000 gop-size=15 ! h264parse ! rtph264pay");
  serve(server, "/jpeg",
        "video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=95 ! rtpjpegpay");
  if (gst_rtsp_server_attach(server, nullptr) == 0) {
    std::fprintf(stderr, "cannot listen\n");
    return 1;
  }
  std::printf("%d\n", gst_rtsp_server_get_bound_port(server));
  std::fflush(stdout);
  g_main_loop_run(g_main_loop_new(nullptr, FALSE));
}
