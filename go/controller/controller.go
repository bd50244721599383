// Package controller has the two calls of a CSI controller that attach and detach, carried out by Mooring.
package controller

import (
	"context"
	"log/slog"

	"github.com/container-storage-interface/spec/lib/go/csi"

	mooring "mooring/go"
)

// Controller answers ControllerPublishVolume and ControllerUnpublishVolume. Embed it in the server of a driver that has the other calls.
//
// NB: the secrets of a call go nowhere; a driver that needs them has `mooring csi` before it instead.
type Controller struct {
	csi.UnimplementedControllerServer
	Mooring *mooring.Client
	// Log is told what Mooring did, a record that could not be cleared among it.
	Log *slog.Logger
}

// ControllerPublishVolume has the node hold the volume.
func (c *Controller) ControllerPublishVolume(
	ctx context.Context, req *csi.ControllerPublishVolumeRequest,
) (*csi.ControllerPublishVolumeResponse, error) {
	done, err := c.Mooring.Publish(ctx, mooring.PublishRequest{
		VolumeHandle:  req.GetVolumeId(),
		NodeID:        req.GetNodeId(),
		AccessMode:    req.GetVolumeCapability().GetAccessMode().GetMode().String(),
		Readonly:      req.GetReadonly(),
		AccessType:    accessType(req.GetVolumeCapability()),
		VolumeContext: req.GetVolumeContext(),
	})
	if err != nil {
		return nil, err
	}
	c.Log.Info(done.Message)
	return &csi.ControllerPublishVolumeResponse{PublishContext: done.PublishContext}, nil
}

// ControllerUnpublishVolume has the node, or where none is named every node, no longer hold the volume.
func (c *Controller) ControllerUnpublishVolume(
	ctx context.Context, req *csi.ControllerUnpublishVolumeRequest,
) (*csi.ControllerUnpublishVolumeResponse, error) {
	done, err := c.Mooring.Unpublish(ctx, mooring.UnpublishRequest{VolumeHandle: req.GetVolumeId(), NodeID: req.GetNodeId()})
	if err != nil {
		return nil, err
	}
	c.Log.Info(done.Message)
	return &csi.ControllerUnpublishVolumeResponse{}, nil
}

func accessType(capability *csi.VolumeCapability) *mooring.AccessType {
	switch {
	case capability.GetBlock() != nil:
		return &mooring.AccessType{Block: true}
	case capability.GetMount() != nil:
		mount := capability.GetMount()
		return &mooring.AccessType{FsType: mount.GetFsType(), VolumeMountGroup: mount.GetVolumeMountGroup()}
	default:
		return nil
	}
}
