// The fake kubelet: the one thing of a real kubelet that tests need and kwok
// has not got, port-forwarding into any pod at any port. It serves all nodes,
// since all of them carry the same address.
//
// A connection forwarded to a pod is opened to that pod's own address, where a
// server of the test listens in the pod's place (see network.go).
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
)

// kubeletAddress is where stages-node.yaml says that every node's kubelet is.
const kubeletAddress = "127.0.0.1:10250"

const (
	forwardIdleLimit   = 4 * time.Hour
	forwardStreamLimit = 30 * time.Second
)

// serveKubelet listens and serves in the background until the process ends.
func serveKubelet(client kubernetes.Interface, pki *pki) error {
	listener, err := tls.Listen("tcp", kubeletAddress, &tls.Config{
		Certificates: []tls.Certificate{pki.kubelet},
		ClientCAs:    pki.authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		// Port-forwarding takes over the connection, which HTTP/2 cannot give.
		NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/portForward/{namespace}/{pod}", func(answer http.ResponseWriter, request *http.Request) {
		forwardPorts(client, answer, request)
	})
	go func() {
		err := http.Serve(listener, routes)
		fmt.Fprintf(os.Stderr, "bed: the fake kubelet stopped: %v\n", err)
	}()
	return nil
}

func forwardPorts(client kubernetes.Interface, answer http.ResponseWriter, request *http.Request) {
	options, err := portforward.NewV4Options(request)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	forwarder := podForwarder{client: client, namespace: request.PathValue("namespace")}
	portforward.ServePortForward(answer, request, forwarder, request.PathValue("pod"), "",
		options, forwardIdleLimit, forwardStreamLimit, portforward.SupportedProtocols)
}

// podForwarder connects streams to the pods of one namespace.
type podForwarder struct {
	client    kubernetes.Interface
	namespace string
}

// PortForward is called for every connection that is forwarded.
func (f podForwarder) PortForward(ctx context.Context, name, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	pod, err := f.client.CoreV1().Pods(f.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !runs(pod) {
		// What a real node says: the address is there but nobody listens. Here
		// the stand-in would answer, since it listens at every address.
		return fmt.Errorf("dial tcp %s:%d: connect: connection refused", pod.Status.PodIP, port)
	}
	var dialer net.Dialer
	target, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer target.Close()
	return join(stream, target.(*net.TCPConn))
}

// runs tells whether a container of the pod could be listening.
func runs(pod *corev1.Pod) bool {
	for _, container := range pod.Status.ContainerStatuses {
		if container.State.Running != nil && pod.Status.PodIP != "" {
			return true
		}
	}
	return false
}

// join copies both ways until the server has said all it will. A client that
// has finished sending only closes its own half.
func join(stream io.ReadWriter, target *net.TCPConn) error {
	go func() {
		_, _ = io.Copy(target, stream)
		_ = target.CloseWrite()
	}()
	_, err := io.Copy(stream, target)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
