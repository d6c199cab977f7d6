# trees.zip: .mlmodel -> smelt -> .onnx -> ONNX Runtime, against the case's expected outputs by its own tolerance
import json,zipfile,os,subprocess,sys,io,collections,numpy as np,onnxruntime as ort
ort.set_default_logger_severity(3)
Z=zipfile.ZipFile('/work/shared/data/conformance/trees.zip'); SM='/tmp/ml/smelt'
ix=json.load(Z.open('index.json')); ix=ix if isinstance(ix,list) else ix['cases']
os.makedirs('/tmp/ml/tz',exist_ok=True)
stat=collections.Counter(); why=collections.Counter(); bad=[]
def npy(id,f): return np.load(io.BytesIO(Z.read(f'{id}/{f}')),allow_pickle=False)
only=sys.argv[1] if len(sys.argv)>1 else ''
worst=0
for c in ix:
    id=c['id'] if 'id' in c else c['path']
    if only and only not in id: continue
    case=json.load(Z.open(f'{id}/case.json'))
    src=f'/tmp/ml/tz/m.mlmodel'; out='/tmp/ml/tz/m.onnx'
    try: open(src,'wb').write(Z.read(f'{id}/model.mlmodel'))
    except KeyError: stat['package']+=1; continue
    p=subprocess.run([SM,'convert',src,'-o',out,'--json'],capture_output=True,text=True)
    if p.returncode:
        stat['not expressible']+=1; why[p.stderr[:230].replace(src,'').strip()]+=1; continue
    r=json.loads(p.stdout)
    for k,o in (r['verify']['outputs'] or {}).items():
        if o['max_rel_error']>1e-4: print('verify',id,k,o['max_abs_error'])
    if r['verify'].get('skipped'): print('skipped',id,r['verify']['skipped'][:150])
    try:
        s=ort.InferenceSession(out,providers=['CPUExecutionProvider'])
    except Exception as e: stat['ORT refuses']+=1; bad.append((id,str(e)[:200])); continue
    N=case.get('batch')
    feeds_by=[]
    ok=True; err=''
    def feature(inp,i):
        if 'file' in inp:
            a=npy(id,inp['file']); a=a[i] if N else a
            return a
        if 'values' in inp: return inp['values'][i]
        if 'dicts' in inp: return dict(inp['dicts'][i])
        if 'dict' in inp: return dict(inp['dict'])
        return inp['value']
    try:
      for i in range(N or 1):
        feeds={}
        for inp in case['inputs']:
            node=[x for x in s.get_inputs() if x.name==inp['name']][0]
            v=feature(inp,i)
            if node.type.startswith('map'):
                feeds[node.name]={ (k if 'string' in node.type.split(',')[0] else int(k)):np.float32(x) for k,x in v.items()}
            else:
                dt={'tensor(float)':np.float32,'tensor(int32)':np.int32,'tensor(int64)':np.int64,'tensor(string)':object,'tensor(double)':np.float64}[node.type]
                shape=[1 if not isinstance(d,int) else d for d in node.shape]
                feeds[node.name]=np.array(v,dtype=dt).reshape(shape)
        got=dict(zip([o.name for o in s.get_outputs()],s.run(None,feeds)))
        for o in case['outputs']:
            g=got[o['name']]
            def expected():
                if 'file' in o:
                    a=npy(id,o['file']); return a[i] if N else a
                if 'values' in o: return o['values'][i]
                if 'dicts' in o: return o['dicts'][i]
                if 'dict' in o: return o['dict']
                return o['value']
            w=expected()
            if isinstance(g,list):
                g=g[0]; w=dict(w) if not isinstance(w,dict) else w
                g={str(k):v for k,v in g.items()}; w={str(k):v for k,v in w.items()}
                assert set(g)==set(w),(g,w)
                ks=list(w); g=np.array([g[k] for k in ks]); w=np.array([w[k] for k in ks])
            else:
                g=np.asarray(g).ravel(); w=np.asarray(w).ravel()
            if o['check']=='equal' and w.dtype.kind!='f': 
                assert [str(x) for x in g.tolist()]==[str(x) for x in w.tolist()],(o['name'],i,g,w)
            elif o['check'] in('allclose','equal'): 
                d=np.abs(g.astype(float)-w.astype(float)); 
                assert np.allclose(g.astype(float),w.astype(float),rtol=max(o.get('rtol',0),1e-5),atol=max(o.get('atol',0),1e-5),equal_nan=True),(o['name'],i,g[:4],w[:4],d.max())
            elif o['check']=='rel_error': assert (np.abs(g-w)/np.maximum(np.abs(w),1)).max()<=max(o['delta'],1e-5),(o['name'],i,g,w)
            else: raise Exception('check '+o['check'])
    except Exception as e:
        ok=False; err=repr(e)[:250]
    stat['agree' if ok else 'differ']+=1
    if not ok: bad.append((id,err))
print(dict(stat)); 
for k,v in why.most_common(): print(v,k)
for b in bad[:25]: print(b)
