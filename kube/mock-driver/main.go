// Command mock-driver serves the Kubernetes project's mock CSI driver, volumes in memory, on a unix socket.
//
// It knows one node, whose id is the driver's name. It has three volumes, "1" to "3", and creates more when asked.
// It ends by SIGTERM or SIGINT after the calls under way, and removes its socket.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"k8s.io/kubernetes/test/e2e/storage/drivers/csi-test/mock/service"
)

func main() {
	endpoint := flag.String("endpoint", "", "path of the unix socket to serve on, with or without unix://")
	name := flag.String("driver-name", service.Name, "name of the driver and id of its node")
	limit := flag.Int64("attach-limit", 0, "volumes the node may have attached; 0: any number")
	flag.Parse()
	path := strings.TrimPrefix(*endpoint, "unix://")
	if path == "" { // NB: an empty path is no error to Listen, but a socket that nobody finds
		log.Fatal("mock-driver needs --endpoint, the path of the unix socket to serve on")
	}
	driver := service.New(service.Config{
		DriverName: *name, AttachLimit: *limit, PermissiveTargetPath: true, IO: service.OSDirIO{},
	})
	if err := serve(path, driver); err != nil {
		log.Fatalf("mock-driver can't serve on %s: %v", path, err)
	}
}

func serve(path string, driver service.Service) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, driver)
	csi.RegisterControllerServer(server, driver)
	csi.RegisterNodeServer(server, driver)
	told, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(told, server.GracefulStop)
	return server.Serve(listener)
}
