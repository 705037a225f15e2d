// The command lines of the components. What is not obvious is there to save
// seconds: no fsync for throw-away state, no leader election, no rate limits
// made for clusters that matter.
package main

import "fmt"

const (
	etcdURL = "http://127.0.0.1:2379"
	peerURL = "http://127.0.0.1:2380"
)

func (p *plane) etcdFlags() []string {
	return []string{
		"--name=bed", "--data-dir=" + p.file("etcd"),
		"--listen-client-urls=" + etcdURL, "--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=bed=" + peerURL,
		"--logger=zap", "--log-level=warn",
		"--unsafe-no-fsync",
	}
}

func (p *plane) apiserverFlags() []string {
	return []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=6443",
		// Nobody reaches the server through the service `kubernetes`, and its
		// reconciler would refuse a loopback address.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.file("service-account.key"),
		"--service-account-signing-key-file=" + p.file("service-account.key"),
		"--tls-cert-file=" + p.file("apiserver.crt"), "--tls-private-key-file=" + p.file("apiserver.key"),
		"--client-ca-file=" + p.file("ca.crt"),
		"--token-auth-file=" + p.file("tokens.csv"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--audit-policy-file=" + p.file("audit-policy.yaml"), "--audit-log-path=" + p.file("audit.log"),
		"--kubelet-client-certificate=" + p.file("kubelet-client.crt"),
		"--kubelet-client-key=" + p.file("kubelet-client.key"),
		"--kubelet-certificate-authority=" + p.file("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--profiling=false",
	}
}

func (p *plane) controllerManagerFlags() []string {
	return []string{
		"--kubeconfig=" + p.file("kubeconfig"),
		"--leader-elect=false",
		"--service-account-private-key-file=" + p.file("service-account.key"),
		"--root-ca-file=" + p.file("ca.crt"),
		"--bind-address=127.0.0.1", "--secure-port=10257", "--authentication-skip-lookup=true",
		"--allocate-node-cidrs=false",
		"--use-service-account-credentials=false",
		"--kube-api-qps=300", "--kube-api-burst=600",
		// A claim made before its static volume is looked at again this often.
		"--pvclaimbinder-sync-period=1s",
		"--profiling=false",
	}
}

func (p *plane) schedulerFlags() []string {
	return []string{
		"--config=" + p.file("scheduler.yaml"),
		"--bind-address=127.0.0.1", "--secure-port=10259", "--authentication-skip-lookup=true",
	}
}

func (p *plane) schedulerConfig() []byte {
	return fmt.Appendf(nil, `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: %q, qps: 300, burst: 600}
podMaxBackoffSeconds: 2
`, p.file("kubeconfig"))
}

func (p *plane) kwokFlags() []string {
	return []string{
		"--kubeconfig=" + p.file("kubeconfig"),
		"--config=" + p.file("stages.yaml"),
		"--manage-nodes-with-annotation-selector=" + fakeNode + "=fake",
		"--cidr=" + podCIDR,
		// Loopback, so that nothing ever dials a node beyond this machine.
		"--node-ip=127.0.0.1",
		"--node-lease-duration-seconds=40",
	}
}
