// Command mooring-example publishes and unpublishes volumes through Mooring, as the controller of a CSI driver would.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	mooring "mooring/go"
	"mooring/go/controller"
)

func main() {
	if len(os.Args) < 2 || (os.Args[1] != "publish" && os.Args[1] != "unpublish") {
		fmt.Fprintln(os.Stderr, "usage: mooring-example publish|unpublish [flags]; -h after either lists them")
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	driver := flags.String("driver", mooring.DefaultDriver, "name of the CSI driver")
	volume := flags.String("volume", "", "volume handle")
	node := flags.String("node", "", "node id; unpublish: none means every node")
	mode := flags.String("access-mode", "SINGLE_NODE_WRITER", "publish: access mode, by its CSI name")
	readonly := flags.Bool("readonly", false, "publish: for reading only")
	timeout := flags.Duration("timeout", 15*time.Second, "the caller's deadline")
	flags.Parse(os.Args[2:])

	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	served, err := connect(*driver)
	var response proto.Message
	switch {
	case err != nil:
	case os.Args[1] == "publish":
		response, err = served.ControllerPublishVolume(ctx, &csi.ControllerPublishVolumeRequest{
			VolumeId: *volume, NodeId: *node, Readonly: *readonly, VolumeCapability: capability(*mode),
		})
	default:
		response, err = served.ControllerUnpublishVolume(ctx, &csi.ControllerUnpublishVolumeRequest{
			VolumeId: *volume, NodeId: *node,
		})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", status.Code(err), status.Convert(err).Message())
		os.Exit(1)
	}
	fmt.Println(protojson.MarshalOptions{UseProtoNames: true}.Format(response))
}

// connect makes a controller that says on standard error what Mooring did.
func connect(driver string) (*controller.Controller, error) {
	connected, err := mooring.Connect(driver)
	return &controller.Controller{Mooring: connected, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}, err
}

func capability(mode string) *csi.VolumeCapability {
	value := csi.VolumeCapability_AccessMode_Mode(csi.VolumeCapability_AccessMode_Mode_value[mode])
	return &csi.VolumeCapability{AccessMode: &csi.VolumeCapability_AccessMode{Mode: value}}
}
