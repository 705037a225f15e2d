// What a cluster holds before the first test: the fake nodes and the CSI driver.
package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// fakeNode is the annotation by which kwok knows the nodes it plays; a test
	// that makes more nodes puts it on them too.
	fakeNode  = "kwok.x-k8s.io/node"
	csiDriver = "csi.bed.tsinfra.dev"
)

func (p *plane) populate(ctx context.Context, client kubernetes.Interface, nodes int) error {
	driver := &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: csiDriver},
		// Nothing attaches volumes here, so no pod may wait for it.
		Spec: storagev1.CSIDriverSpec{AttachRequired: new(false)},
	}
	if _, err := client.StorageV1().CSIDrivers().Create(ctx, driver, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the CSI driver: %w", err)
	}
	for number := 1; number <= nodes; number++ {
		node := newNode(fmt.Sprintf("worker-%d", number))
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating node %s: %w", node.Name, err)
		}
	}
	if err := p.until(ctx, "all nodes are ready", func(ctx context.Context) error { return nodesReady(ctx, client) }); err != nil {
		return err
	}
	// Pods are refused in a namespace that has no service account yet.
	return p.until(ctx, "namespaces get their service account", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func newNode(name string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("512Gi"),
		corev1.ResourcePods:             resource.MustParse("110"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{fakeNode: "fake"},
			Labels: map[string]string{
				corev1.LabelHostname:   name,
				corev1.LabelOSStable:   "linux",
				corev1.LabelArchStable: "amd64",
			},
		},
		Status: corev1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

// nodesReady also wants the taint gone that keeps pods off a node that has only
// just become ready: the controller manager removes it a moment later.
func nodesReady(ctx context.Context, client kubernetes.Interface) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		ready := false
		for _, condition := range node.Status.Conditions {
			ready = ready || condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
		}
		if !ready || len(node.Spec.Taints) > 0 {
			return fmt.Errorf("node %s is not ready yet", node.Name)
		}
	}
	return nil
}
